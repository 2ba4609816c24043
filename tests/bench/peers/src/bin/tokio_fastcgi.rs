//! crates.io's tokio-fastcgi: a task for each connection, on N threads (`tokio_fastcgi N`). It serves the socket on its
//! standard input.

#[path = "../work.rs"]
mod work;

use std::future::Future;
use std::io::{self, Read};
use std::net;
use std::os::fd::AsFd;
use std::os::unix::net as unix;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_fastcgi::{Error, Request, RequestResult, Requests};

fn main() -> io::Result<()> {
    let workers = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers.expect("usage: tokio_fastcgi WORKERS"))
        .enable_io()
        .build()?;
    runtime.block_on(serve())
}

async fn serve() -> io::Result<()> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    // Whichever it is says so by its address.
    let unix = unix::UnixListener::from(socket.try_clone()?);
    if unix.local_addr().is_ok() {
        unix.set_nonblocking(true)?;
        let listener = UnixListener::from_std(unix)?;
        loop {
            let (stream, _) = listener.accept().await?;
            spawn(stream.into_split());
        }
    }
    let tcp = net::TcpListener::from(socket);
    tcp.set_nonblocking(true)?;
    let listener = TcpListener::from_std(tcp)?;
    loop {
        let (stream, _) = listener.accept().await?;
        spawn(stream.into_split());
    }
}

fn spawn<R, W>(halves: (R, W))
where
    R: AsyncRead + Unpin + Send + Sync + 'static,
    W: AsyncWrite + Unpin + Send + Sync + 'static,
{
    tokio::spawn(async move {
        let mut requests = Requests::from_split_socket(halves, 1, 1);
        while let Ok(Some(request)) = requests.next().await {
            if request.process(answer).await.is_err() {
                return;
            }
        }
    });
}

fn answer<W>(request: Arc<Request<W>>) -> impl Future<Output = RequestResult>
where
    W: AsyncWrite + Unpin + Send,
{
    async move {
        match write(&request).await {
            Ok(()) => RequestResult::Complete(0),
            Err(_) => RequestResult::Complete(1),
        }
    }
}

async fn write<W: AsyncWrite + Unpin + Send>(request: &Request<W>) -> Result<(), Error> {
    let param = |name| request.get_str_param(name).unwrap_or_default();
    let mut out = request.get_stdout();
    match param("path_info") {
        "/count" => {
            let text = work::TEXT.to_owned() + &count(request);
            out.write(text.as_bytes()).await?;
        }
        "/bytes" => {
            let mut left = work::number(param("query_string"));
            out.write(work::BINARY.as_bytes()).await?;
            while left > 0 {
                let n = left.min(work::BYTES.len());
                out.write(&work::BYTES[..n]).await?;
                left -= n;
            }
        }
        _ => {
            let text = work::TEXT.to_owned() + "Hello, world!";
            out.write(text.as_bytes()).await?;
        }
    }
    Ok(())
}

/// The library has the body whole by now.
fn count<W: AsyncWrite + Unpin + Send>(request: &Request<W>) -> String {
    let (mut piece, mut len, mut sum) = ([0; 64 << 10], 0, 0);
    let mut stdin = request.get_stdin();
    while let Ok(n @ 1..) = stdin.read(&mut piece) {
        sum = work::add(sum, &piece[..n]);
        len += n;
    }
    format!("{len} {sum}")
}
