//! Lets a window in: `GET /chat/ws` becomes a WebSocket (RFC 6455 section 4.2) if its page may open one.

use super::protocol::SUBPROTOCOL;
use super::{Chat, ChatDesk, session};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// For the answer to be taken, after which the connection is a WebSocket.
const UPGRADE_TIME_MAX: Duration = Duration::from_secs(10);

/// The route `/chat/ws`.
pub fn router<D: ChatDesk>(chat: Chat<D>) -> Router {
    Router::new().route("/chat/ws", get(upgrade::<D>)).with_state(chat)
}

async fn upgrade<D: ChatDesk>(State(chat): State<Chat<D>>, mut request: Request) -> Response {
    let welcome = match check(request.headers(), &chat.settings.origins) {
        Ok(welcome) => welcome,
        Err(refusal) => {
            metrics::counter!("guichet_chat_refused_total", "code" => refusal.word()).increment(1);
            return refusal.into_response();
        }
    };
    let permit = std::sync::Arc::clone(&chat.windows).try_acquire_owned();
    let Ok(permit) = permit else { return Refusal::Busy.into_response() };
    if chat.stop.is_cancelled() {
        return Refusal::Busy.into_response();
    }
    let upgraded = hyper::upgrade::on(&mut request);
    let tasks = chat.tasks.clone();
    tasks.spawn(async move {
        if let Ok(Ok(io)) = timeout(UPGRADE_TIME_MAX, upgraded).await {
            session::run(chat, TokioIo::new(io)).await;
        }
        drop(permit);
    });
    welcome.into_response()
}

/// A request that may become a WebSocket.
#[derive(Debug, PartialEq, Eq)]
struct Welcome {
    /// `Sec-WebSocket-Accept`.
    accept: String,
    /// Whether the subprotocol was offered, and so is named in the answer.
    named: bool,
}

/// Why a request becomes no WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NoWebSocket,
    Version,
    Key,
    Origin,
    Subprotocol,
    Busy,
}

impl Refusal {
    const fn word(self) -> &'static str {
        match self {
            Self::NoWebSocket => "no_websocket",
            Self::Version => "version",
            Self::Key => "key",
            Self::Origin => "origin",
            Self::Subprotocol => "subprotocol",
            Self::Busy => "busy",
        }
    }
}

fn check(headers: &HeaderMap, origins: &[String]) -> Result<Welcome, Refusal> {
    if !words(headers, &header::CONNECTION).any(|w| w.eq_ignore_ascii_case("upgrade"))
        || !words(headers, &header::UPGRADE).any(|w| w.eq_ignore_ascii_case("websocket"))
    {
        return Err(Refusal::NoWebSocket);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::Version);
    }
    // RFC 6455 section 4.1: 16 octets in base64, which are always 24 characters.
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24).ok_or(Refusal::Key)?;
    if !origin_is_allowed(headers, origins) {
        return Err(Refusal::Origin);
    }
    let mut offered = words(headers, &header::SEC_WEBSOCKET_PROTOCOL).peekable();
    let named = offered.peek().is_some();
    if named && !offered.any(|name| name == SUBPROTOCOL) {
        return Err(Refusal::Subprotocol);
    }
    Ok(Welcome { accept: derive_accept_key(key.as_bytes()), named })
}

/// Browsers always say which page opens a WebSocket and scripts cannot change it (RFC 6455 section 10.2); a program
/// that says nothing could as well lie, so nothing is allowed. Our own page is one whose origin is the host asked.
fn origin_is_allowed(headers: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if origins.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some((scheme, of_page)) = origin.split_once("://") else { return false };
    // A proxy may have ended TLS, so the scheme is the page's and the port may be named on one side only.
    let default_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return false,
    };
    let bare = |authority: &str| authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase();
    host.is_some_and(|host| bare(host) == bare(of_page))
}

fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

impl IntoResponse for Welcome {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if self.named {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, sentence, header) = match self {
            Self::NoWebSocket => (StatusCode::UPGRADE_REQUIRED, "this is a WebSocket", Some((header::UPGRADE, "websocket"))),
            // RFC 6455 section 4.4: the answer names the version that would do.
            Self::Version => (StatusCode::UPGRADE_REQUIRED, "WebSocket version 13 only", Some((header::SEC_WEBSOCKET_VERSION, "13"))),
            Self::Key => (StatusCode::BAD_REQUEST, "no usable Sec-WebSocket-Key", None),
            Self::Origin => (StatusCode::FORBIDDEN, "pages of this origin may not open the chat", None),
            Self::Subprotocol => (StatusCode::BAD_REQUEST, "the subprotocol is guichet.v1", None),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", Some((header::RETRY_AFTER, "10"))),
        };
        let mut response = (status, format!("{sentence}\n")).into_response();
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Host: desk.example\nConnection: keep-alive, Upgrade\nUpgrade: WebSocket\nSec-WebSocket-Version: 13\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

    fn headers(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in text.lines().filter_map(|line| line.split_once(": ")) {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn requests_are_told_apart() {
        let origins = ["https://www.acme.example/".to_owned()];
        let with = |more: &str| format!("{GOOD}\n{more}");
        let without = |name: &str| GOOD.lines().filter(|l| !l.starts_with(name)).collect::<Vec<_>>().join("\n");
        let table = [
            (GOOD.to_owned(), Ok(false), "a program without an origin"),
            (with("Origin: https://desk.example"), Ok(false), "our own page behind TLS"),
            (with("Origin: http://desk.example:80"), Ok(false), "the port that goes without saying"),
            (with("Origin: https://WWW.acme.example"), Ok(false), "a page of the configured site"),
            (with("Origin: http://www.acme.example"), Err(Refusal::Origin), "the site without TLS is another"),
            (with("Origin: https://evil.example"), Err(Refusal::Origin), "another site"),
            (with("Origin: https://www.acme.example.evil.example"), Err(Refusal::Origin), "looks like it"),
            (with("Origin: https://desk.example:8443"), Err(Refusal::Origin), "another port of this host"),
            (with("Origin: null"), Err(Refusal::Origin), "a sandboxed page"),
            (with("Origin: file://desk.example"), Err(Refusal::Origin), "no web page"),
            (with("Sec-WebSocket-Protocol: guichet.v1"), Ok(true), "the subprotocol"),
            (with("Sec-WebSocket-Protocol: guichet.v2, guichet.v1"), Ok(true), "one of several"),
            (with("Sec-WebSocket-Protocol: guichet.v2\nSec-WebSocket-Protocol: guichet.v1"), Ok(true), "on two lines"),
            (with("Sec-WebSocket-Protocol: guichet.v2"), Err(Refusal::Subprotocol), "none that we speak"),
            (without("Upgrade"), Err(Refusal::NoWebSocket), "a plain GET"),
            (without("Connection"), Err(Refusal::NoWebSocket), "a proxy dropped the hop-by-hop headers"),
            (without("Sec-WebSocket-Version"), Err(Refusal::Version), "no version"),
            (without("Sec-WebSocket-Key"), Err(Refusal::Key), "no key"),
        ];
        for (text, want, why) in table {
            assert_eq!(check(&headers(&text), &origins).map(|w| w.named), want, "{why}");
        }
        // The example of RFC 6455 section 1.3.
        assert_eq!(check(&headers(GOOD), &[]).unwrap().accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
