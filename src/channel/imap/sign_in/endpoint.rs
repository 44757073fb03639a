//! A token endpoint (RFC 6749 section 3.2): one question, one answer.

use super::TokenFault;
use super::keep::Held;
use super::tokens::{Token, one_token, read_bounded};
use crate::channel::imap::Fault;
use crate::channel::imap::commands::Io;
use crate::channel::imap::connect::protect;
use crate::config::settings::{ClientAuth, Grant, OAuth, TokenUrl};
use crate::http::client::exchange;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

/// From the name of the host to the end of the answer.
const EXCHANGE_MAX: Duration = Duration::from_secs(30);
/// For those who ask with the same refresh token.
const TURN_MAX: Duration = Duration::from_mins(1);
/// A few tokens of some kilobytes each.
const ANSWER_OCTETS_MAX: usize = 64 * 1024;
/// RFC 6749 section 5.2 has short words.
const WORD_CHARS_MAX: usize = 60;

/// What came of asking.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) token: Token,
    /// A refresh token that could not be written down: it has to be asked with the next time.
    pub(super) unsaved: Option<SecretString>,
}

/// Asks for a token. A refresh token that comes with it is on disk when this returns, unless the disk refuses.
pub(super) async fn ask(oauth: &OAuth, unsaved: Option<SecretString>) -> Result<Asked, TokenFault> {
    let client_secret = match &oauth.client_secret_file {
        Some(file) => Some(without_line_break(read_bounded(file).await?)?),
        None => None,
    };
    let (held, refresh_token) = match &oauth.grant {
        Grant::ClientCredentials => (None, None),
        Grant::RefreshToken { file } => {
            let held = timeout(TURN_MAX, Held::take(file, &oauth.kept_dir)).await;
            let held = held.map_err(|_| TokenFault::OutOfOrder("another process has been asking it for too long".into()))??;
            let present = held.read()?;
            (Some(held), Some(unsaved.unwrap_or(present)))
        }
    };
    let asked = Instant::now();
    let request = request(oauth, client_secret.as_ref(), refresh_token.as_ref())?;
    let answer = timeout(EXCHANGE_MAX, ask_for(oauth, request)).await;
    let (status, body) = answer.map_err(|_| TokenFault::Unreachable(format!("no answer within {} s", EXCHANGE_MAX.as_secs())))??;
    let granted = granted(status, &body)?;
    let lifetime = granted.expires_in.map(Duration::from_secs);
    let token = Token::for_a_time(one_token(granted.access_token.expose_secret().as_bytes(), "what the endpoint gives")?, lifetime, asked);
    let successor = granted.refresh_token.filter(|new| {
        !new.expose_secret().is_empty() && refresh_token.as_ref().is_some_and(|old| old.expose_secret() != new.expose_secret())
    });
    let unsaved = match (held, successor) {
        (Some(held), Some(successor)) => save(held, successor).await,
        (None, _) | (_, None) => None,
    };
    Ok(Asked { token, unsaved })
}

/// Gives it back if it could not be saved.
async fn save(held: Held, successor: SecretString) -> Option<SecretString> {
    let new = successor.clone();
    let saved = spawn_blocking(move || held.replace(&new)).await;
    match saved {
        Ok(Ok(())) => None,
        Ok(Err(fault)) => {
            tracing::error!(%fault, "a refresh token is in memory only: make room before the daemon is stopped");
            Some(successor)
        }
        Err(_) => Some(successor),
    }
}

async fn ask_for(oauth: &OAuth, request: Request<Full<Bytes>>) -> Result<(u16, Vec<u8>), TokenFault> {
    let TokenUrl { https, host, port, .. } = &oauth.endpoint;
    let unreachable = |why: String| TokenFault::Unreachable(why);
    let tcp = TcpStream::connect((host.as_str(), *port)).await.map_err(|fault| unreachable(fault.to_string()))?;
    let stream: Box<dyn Io> = if *https {
        let protected = protect(host, oauth.ca_file.as_deref(), Box::new(tcp)).await;
        protected.map_err(|fault| match fault {
            Fault::Network(why) | Fault::SignIn(why) | Fault::Protocol(why) | Fault::Refused { text: why, .. } => unreachable(why),
        })?
    } else {
        // A name may mean another machine than it says.
        if !tcp.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback()) {
            return Err(unreachable("a secret in the clear goes to loopback only".into()));
        }
        Box::new(tcp)
    };
    exchange(stream, request, ANSWER_OCTETS_MAX).await.map_err(|fault| {
        if fault.kind() == ErrorKind::FileTooLarge { TokenFault::NoToken("more than 64 KiB") } else { unreachable(fault.to_string()) }
    })
}

/// RFC 6749 sections 4.4.2 and 6, with 2.3.1.
fn request(oauth: &OAuth, secret: Option<&SecretString>, refresh_token: Option<&SecretString>) -> Result<Request<Full<Bytes>>, TokenFault> {
    let mut body = String::new();
    match refresh_token {
        Some(token) => {
            field(&mut body, "grant_type", "refresh_token");
            field(&mut body, "refresh_token", token.expose_secret());
        }
        None => field(&mut body, "grant_type", "client_credentials"),
    }
    if let Some(scope) = &oauth.scope {
        field(&mut body, "scope", scope);
    }
    let mut request = Request::post(&oauth.endpoint.path)
        .header(header::HOST, oauth.endpoint.authority())
        .header(header::USER_AGENT, "guichet")
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    match (oauth.client_auth, secret) {
        (ClientAuth::Basic, Some(secret)) => {
            let pair = format!("{}:{}", encoded(&oauth.client_id), encoded(secret.expose_secret()));
            let mut value = header::HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
                .map_err(|_| TokenFault::NotOne("what client_secret_file holds"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        (ClientAuth::Body, Some(secret)) => {
            field(&mut body, "client_id", &oauth.client_id);
            field(&mut body, "client_secret", secret.expose_secret());
        }
        (ClientAuth::Basic | ClientAuth::Body, None) => field(&mut body, "client_id", &oauth.client_id),
    }
    request.body(Full::new(Bytes::from(body))).map_err(|fault| TokenFault::Unreachable(fault.to_string()))
}

fn field(body: &mut String, name: &str, value: &str) {
    if !body.is_empty() {
        body.push('&');
    }
    body.push_str(name);
    body.push('=');
    body.push_str(&encoded(value));
}

/// `application/x-www-form-urlencoded` (RFC 6749 appendix B).
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, octet| {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => encoded.push(char::from(octet)),
            b' ' => encoded.push('+'),
            _ => {
                let _ = write!(encoded, "%{octet:02X}");
            }
        }
        encoded
    })
}

/// RFC 6749 section 5.1.
#[derive(Debug, Deserialize)]
struct Granted {
    access_token: SecretString,
    token_type: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    refresh_token: Option<SecretString>,
}

/// RFC 6749 section 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// A number; some endpoints write it as a text, or with a fraction.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text.trim().parse().ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of floats stops at the bounds of u64")]
        serde_json::Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(|secs| secs as u64)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    })
}

/// What an answer means. Of its body nothing is repeated but the word for an error.
fn granted(status: u16, body: &[u8]) -> Result<Granted, TokenFault> {
    let word = serde_json::from_slice::<Refusal>(body).ok().map(|refusal| refusal.error).filter(|word| is_word(word));
    match (StatusCode::from_u16(status), word.as_deref()) {
        (_, Some(word @ ("temporarily_unavailable" | "server_error" | "slow_down"))) => Err(TokenFault::OutOfOrder(word.to_owned())),
        (Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT), _) => Err(TokenFault::OutOfOrder(format!("status {status}"))),
        (Ok(code), _) if code.is_server_error() => Err(TokenFault::OutOfOrder(format!("status {status}"))),
        // Some endpoints refuse with a status of success.
        (_, Some(word)) => Err(TokenFault::Refused(word.to_owned())),
        (Ok(StatusCode::OK), None) => {
            let granted: Granted = serde_json::from_slice(body).map_err(|_| TokenFault::NoToken("no JSON with an access_token"))?;
            match granted.token_type.as_deref() {
                None => Ok(granted),
                Some(kind) if kind.eq_ignore_ascii_case("bearer") => Ok(granted),
                Some(_) => Err(TokenFault::NoToken("a token of another type than bearer")),
            }
        }
        // A redirection is not followed: secrets go where the configuration says.
        (_, None) => Err(TokenFault::Status(status)),
    }
}

fn is_word(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.len() <= WORD_CHARS_MAX && text.chars().all(is_part)
}

/// Editors end files with a line break that is no part of a secret.
fn without_line_break(octets: Vec<u8>) -> Result<SecretString, TokenFault> {
    let what = TokenFault::NotOne("what client_secret_file holds");
    let text = String::from_utf8(octets).map_err(|_| what.clone())?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() || text.len() > super::tokens::TOKEN_OCTETS_MAX { Err(what) } else { Ok(SecretString::from(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    fn oauth(client_auth: ClientAuth, scope: Option<&str>) -> OAuth {
        OAuth {
            endpoint: TokenUrl { https: true, host: "login.example".into(), port: 8443, path: "/t?api=1".into() },
            ca_file: None,
            client_id: "desk one".into(),
            client_secret_file: None,
            client_auth,
            grant: Grant::ClientCredentials,
            scope: scope.map(str::to_owned),
            kept_dir: "/nonexistent".into(),
        }
    }

    #[tokio::test]
    async fn what_is_asked() {
        let (secret, refresh) = (SecretString::from("a:b&c"), SecretString::from("1//0g+x"));
        #[rustfmt::skip]
        let cases = [
            (ClientAuth::Body, Some("mail offline"), None, Some(&refresh), "grant_type=refresh_token&refresh_token=1%2F%2F0g%2Bx&scope=mail+offline&client_id=desk+one", None, "a public client (RFC 6749 section 6)"),
            (ClientAuth::Body, None, Some(&secret), None, "grant_type=client_credentials&client_id=desk+one&client_secret=a%3Ab%26c", None, "RFC 6749 section 4.4.2"),
            (ClientAuth::Basic, None, Some(&secret), Some(&refresh), "grant_type=refresh_token&refresh_token=1%2F%2F0g%2Bx", Some("Basic ZGVzaytvbmU6YSUzQWIlMjZj"), "in the header, encoded first (section 2.3.1)"),
        ];
        for (client_auth, scope, secret, refresh, body, authorization, reason) in cases {
            let request = request(&oauth(client_auth, scope), secret, refresh).unwrap();
            assert_eq!((request.uri().to_string(), request.headers()["host"].to_str().unwrap()), ("/t?api=1".into(), "login.example:8443"));
            let header = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(header.as_deref(), authorization, "{reason}");
            assert!(!format!("{:?}", request.headers()).contains("ZGVzaytv"), "{reason}: no secret is printed");
            let sent = request.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(String::from_utf8(sent.to_vec()).unwrap(), body, "{reason}");
        }
    }

    #[test]
    fn what_an_answer_means() {
        let refused = |word: &str| Err(TokenFault::Refused(word.to_owned()));
        let later = |why: &str| Err(TokenFault::OutOfOrder(why.to_owned()));
        let no_token = Err(TokenFault::NoToken("no JSON with an access_token"));
        #[rustfmt::skip]
        let cases = [
            (200, r#"{"access_token":"SECRET","token_type":"Bearer","expires_in":3599,"scope":"x"}"#, Ok(Some(3599)), "the usual"),
            (200, r#"{"access_token":"SECRET","token_type":"bearer","expires_in":"3599","refresh_token":"SECRET"}"#, Ok(Some(3599)), "a number in quotes"),
            (200, r#"{"access_token":"SECRET","expires_in":1e3}"#, Ok(Some(1000)), "a fraction; no type"),
            (200, r#"{"access_token":"SECRET","expires_in":-5}"#, Ok(Some(0)), "less than nothing"),
            (200, r#"{"access_token":"SECRET"}"#, Ok(None), "unsaid"),
            (200, r#"{"access_token":"SECRET","token_type":"mac"}"#, Err(TokenFault::NoToken("a token of another type than bearer")), "another type"),
            (200, r#"{"access_token":["SECRET"]}"#, no_token.clone(), "no text"),
            (200, "<html>SECRET</html>", no_token.clone(), "a page"),
            (200, "", no_token, "nothing"),
            (400, r#"{"error":"invalid_grant","error_description":"SECRET"}"#, refused("invalid_grant"), "the word alone"),
            (401, r#"{"error":"invalid_client"}"#, refused("invalid_client"), "with another status"),
            (200, r#"{"error":"bad_refresh_token"}"#, refused("bad_refresh_token"), "with a status of success"),
            (400, r#"{"error":"see SECRET"}"#, Err(TokenFault::Status(400)), "no word"),
            (400, r#"{"error":{"code":400}}"#, Err(TokenFault::Status(400)), "no text"),
            (404, "<html>SECRET</html>", Err(TokenFault::Status(404)), "another address"),
            (302, "", Err(TokenFault::Status(302)), "a redirection is not followed"),
            (503, r#"{"error":"invalid_grant"}"#, later("status 503"), "out of order, whatever it says"),
            (400, r#"{"error":"temporarily_unavailable"}"#, later("temporarily_unavailable"), "later"),
            (429, "", later("status 429"), "too often"),
        ];
        for (status, body, expected, reason) in cases {
            let answer = granted(status, body.as_bytes());
            assert!(!format!("{answer:?}").contains("SECRET"), "{reason}: nothing of it is repeated");
            assert_eq!(answer.map(|granted| granted.expires_in), expected, "{reason}");
        }
    }

    /// Connections that are taken and never answered. Time stands still unless everybody waits.
    #[tokio::test(start_paused = true)]
    async fn p11_an_endpoint_that_says_nothing_is_given_up() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = TokenUrl { https: false, host: "127.0.0.1".into(), port: silent.local_addr().unwrap().port(), path: "/".into() };
        let begun = Instant::now();
        let asked = ask(&OAuth { endpoint, ..oauth(ClientAuth::Body, None) }, None).await;
        assert!(matches!(asked, Err(TokenFault::Unreachable(_))), "{asked:?}");
        assert!(begun.elapsed() <= EXCHANGE_MAX + Duration::from_secs(1));
    }

    #[test]
    fn a_secret_ends_before_its_line_break() {
        #[rustfmt::skip]
        let cases: [(&[u8], Option<&str>, &str); 4] = [
            (b" s e cret \r\n", Some(" s e cret "), "blanks are part of it"),
            (b"secret", Some("secret"), "without"),
            (b"\n", None, "nothing"),
            (b"\xff", None, "no UTF-8"),
        ];
        for (octets, expected, reason) in cases {
            let secret = without_line_break(octets.to_vec()).ok();
            assert_eq!(secret.as_ref().map(ExposeSecret::expose_secret), expected, "{reason}");
        }
    }
}
