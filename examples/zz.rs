use std::hint::black_box;
#[inline(never)]
fn deep(n: u64) -> u64 {
    let a = [n; 64];
    black_box(&a);
    if n == u64::MAX {
        0
    } else {
        deep(n + 1) + black_box(a[3])
    }
}
unsafe extern "C" {
    fn __assert_fail(a: *const i8, f: *const i8, l: u32, g: *const i8) -> !;
}
fn app(_: &mut fcgi::Request, res: fcgi::Response) -> fcgi::Result {
    res.send("x")
}
#[inline(never)]
fn boom(d: u32) {
    if d == 0 {
        panic!("boom")
    }
    boom(d - 1);
    black_box(d);
}
fn main() -> std::process::ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("main") => {
            println!("{}", deep(0));
        }
        Some("thread") => {
            std::thread::Builder::new()
                .stack_size(100_000)
                .spawn(|| deep(0))
                .unwrap()
                .join()
                .unwrap();
        }
        Some("assert") => unsafe {
            __assert_fail(c"x > 3".as_ptr(), c"a.c".as_ptr(), 12, c"fun".as_ptr())
        },
        Some("resolve") => {
            use std::net::ToSocketAddrs;
            println!(
                "{:?}",
                "localhost:80"
                    .to_socket_addrs()
                    .map(|a| a.collect::<Vec<_>>())
            );
        }
        Some("panics") => {
            std::panic::set_hook(Box::new(|_| {}));
            let t = std::time::Instant::now();
            let _ = std::panic::catch_unwind(|| boom(5));
            println!("first {:?}", t.elapsed());
            let t = std::time::Instant::now();
            let _ = std::panic::catch_unwind(|| boom(5));
            println!("second {:?}", t.elapsed());
            let t = std::time::Instant::now();
            let h: Vec<_> = (0..8)
                .map(|_| {
                    std::thread::spawn(|| {
                        for _ in 0..2000 {
                            assert!(std::panic::catch_unwind(|| boom(7)).is_err());
                        }
                    })
                })
                .collect();
            for h in h {
                h.join().unwrap();
            }
            println!("16000 in 8 threads {:?}", t.elapsed());
            let s = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
            for l in s
                .lines()
                .filter(|l| l.starts_with("Rss") || l.starts_with("Private_Dirty"))
            {
                println!("{l}");
            }
        }
        Some("backtrace") => {
            let b = std::backtrace::Backtrace::force_capture();
            println!("{}", b.to_string().lines().count());
            boom(3)
        }
        _ => return fcgi::cli::main(app),
    }
    std::process::ExitCode::SUCCESS
}
