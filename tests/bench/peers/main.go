// Go's own net/http/fcgi: a goroutine for each connection and request. It serves the socket that is standard input:
// /hello, /count of a body and /bytes?n=N, as the project's testbed has them.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/fcgi"
	"strconv"
)

var table = bytes.Repeat([]byte("x"), 256<<10)

func main() {
	log.Fatal(fcgi.Serve(nil, http.HandlerFunc(answer)))
}

func answer(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/count":
		length, sum := count(r.Body)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%d %d", length, sum)
	case "/bytes":
		w.Header().Set("Content-Type", "application/octet-stream")
		left, _ := strconv.Atoi(r.URL.Query().Get("n"))
		for left > 0 {
			n := min(left, len(table))
			if _, err := w.Write(table[:n]); err != nil {
				return
			}
			left -= n
		}
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, "Hello, world!")
	}
}

func count(body io.Reader) (length int, sum uint32) {
	piece := make([]byte, 64<<10)
	for {
		n, err := body.Read(piece)
		for _, b := range piece[:n] {
			sum += uint32(b)
		}
		length += n
		if err != nil {
			return length, sum
		}
	}
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}
