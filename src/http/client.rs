//! The other end of the control socket: one request, one answer. Others who ask one question have `exchange` from here.

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

/// Status line and headers of an answer.
const HEAD_OCTETS_MAX: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientFault {
    /// No daemon has this state directory open.
    #[error("the daemon is not running")]
    NotRunning,
    /// The socket is another user's, or the daemon ended in the midst of it.
    #[error("failed to speak to the daemon: {0}")]
    Io(io::Error),
}

/// Asks; gives status and body.
pub async fn get(socket: &Path, path_and_query: &str) -> Result<(u16, Vec<u8>), ClientFault> {
    request(socket, Method::GET, path_and_query, Vec::new()).await
}

/// Hands over; gives status and body.
pub async fn post(socket: &Path, path_and_query: &str, body: Vec<u8>) -> Result<(u16, Vec<u8>), ClientFault> {
    request(socket, Method::POST, path_and_query, body).await
}

/// Asks; writes the body as it comes, however long it is, and gives the status. The body of any other than 200 is no answer, and is
/// not written.
pub async fn get_into(socket: &Path, path_and_query: &str, out: &mut impl io::Write) -> Result<u16, ClientFault> {
    let stream = connect(socket).await?;
    let request = Request::get(path_and_query).header(header::HOST, "guichet").body(Full::new(Bytes::new()));
    let request = request.map_err(|fault| ClientFault::Io(io::Error::other(fault)))?;
    let broken = |fault: hyper::Error| ClientFault::Io(io::Error::other(fault));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let carried = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if let Ok(octets) = frame.map_err(broken)?.into_data()
            && status == 200
        {
            out.write_all(&octets).map_err(ClientFault::Io)?;
        }
    }
    carried.abort();
    Ok(status)
}

/// Whether a daemon is there.
pub async fn is_running(socket: &Path) -> Result<bool, ClientFault> {
    match connect(socket).await {
        Ok(_) => Ok(true),
        Err(ClientFault::NotRunning) => Ok(false),
        Err(fault @ ClientFault::Io(_)) => Err(fault),
    }
}

async fn connect(socket: &Path) -> Result<UnixStream, ClientFault> {
    UnixStream::connect(socket).await.map_err(|fault| {
        let nobody = matches!(fault.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
        if nobody { ClientFault::NotRunning } else { ClientFault::Io(fault) }
    })
}

async fn request(socket: &Path, method: Method, path_and_query: &str, body: Vec<u8>) -> Result<(u16, Vec<u8>), ClientFault> {
    let stream = connect(socket).await?;
    let request = Request::builder().method(method).uri(path_and_query).header(header::HOST, "guichet");
    let request = request.body(Full::new(Bytes::from(body))).map_err(|fault| ClientFault::Io(io::Error::other(fault)))?;
    // The daemon is ours: its answer is as large as it is.
    exchange(stream, request, usize::MAX).await.map_err(ClientFault::Io)
}

/// One request and its answer over a connection that is there: status and body. A body larger than it may be is an error of
/// kind [`io::ErrorKind::FileTooLarge`]. No time limit, and no redirection is followed.
pub(crate) async fn exchange<S>(stream: S, request: Request<Full<Bytes>>, body_octets_max: usize) -> io::Result<(u16, Vec<u8>)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD_OCTETS_MAX).handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), body_octets_max)
            .collect()
            .await
            .map_err(|fault| if fault.is::<LengthLimitError>() { io::ErrorKind::FileTooLarge.into() } else { io::Error::other(fault) })?;
        Ok((status, body.to_bytes().to_vec()))
    };
    let mut answer = std::pin::pin!(answer);
    // The connection carries the request only while it is polled; it may end before the answer is read.
    tokio::select! {
        answer = answer.as_mut() => answer,
        ended = connection => {
            ended.map_err(io::Error::other)?;
            answer.await
        }
    }
}
/// A value for a path or a query: all but what stands for itself everywhere is escaped (RFC 3986 section 2.1).
#[must_use]
pub fn percent_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len() + 8);
    for octet in value.bytes() {
        if octet.is_ascii_alphanumeric() || b"-_.~".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            let _ = write!(encoded, "%{octet:02X}");
        }
    }
    encoded
}
