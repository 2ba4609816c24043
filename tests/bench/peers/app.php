<?php
// PHP, under php-fpm: /hello, /count of a body and /bytes?n=N, as the project's testbed has them.

switch ($_SERVER['PATH_INFO'] ?? '') {
    case '/count':
        header('Content-Type: text/plain; charset=utf-8');
        $body = fopen('php://input', 'rb');
        [$len, $sum] = [0, 0];
        while (($piece = fread($body, 65536)) !== false && $piece !== '') {
            $len += strlen($piece);
            foreach (count_chars($piece, 1) as $byte => $times) {
                $sum += $byte * $times;
            }
        }
        echo $len, ' ', $sum & 0xffffffff;
        break;
    case '/bytes':
        header('Content-Type: application/octet-stream');
        for ($left = (int) ($_GET['n'] ?? 0); $left > 0; $left -= $n) {
            $n = min($left, 393216);
            echo str_repeat('x', $n);
        }
        break;
    default:
        header('Content-Type: text/plain; charset=utf-8');
        echo 'Hello, world!';
}
