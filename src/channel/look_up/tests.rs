//! Against a server of the test's own, on loopback.

use super::*;
use crate::config::settings::TokenUrl;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

/// What the server does with a connection's requests.
#[derive(Clone)]
enum Manner {
    /// Answers each, and leaves the connection open.
    Says(String),
    /// Answers and closes without saying so before.
    SaysAndCloses(String),
    Silent,
    Closes,
}

/// A server, and what it was asked, a request's head each, with the number of its connection.
struct Server {
    url: TokenUrl,
    asked: Arc<Mutex<Vec<(usize, String)>>>,
    manner: Arc<Mutex<Manner>>,
}

impl Server {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, manner) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(manner)));
        let (log, manners) = (asked.clone(), manner.clone());
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let (log, manners) = (log.clone(), manners.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while let Ok(octet) = stream.read_u8().await {
                        head.push(octet);
                        if !head.ends_with(b"\r\n\r\n") {
                            continue;
                        }
                        locked(&log).push((number, String::from_utf8(std::mem::take(&mut head)).unwrap()));
                        let manner = locked(&manners).clone();
                        match manner {
                            Manner::Says(text) => stream.write_all(text.as_bytes()).await.unwrap_or_default(),
                            Manner::SaysAndCloses(text) => return stream.write_all(text.as_bytes()).await.unwrap_or_default(),
                            Manner::Silent => std::future::pending().await,
                            Manner::Closes => return,
                        }
                    }
                });
            }
        });
        let url = TokenUrl { https: false, host: "127.0.0.1".to_owned(), port, path: "/lookup?address={address}".to_owned() };
        Self { url, asked, manner }
    }

    fn look_up(&self) -> LookUp {
        LookUp::new(self.settings())
    }

    fn settings(&self) -> LookUpSettings {
        LookUpSettings {
            endpoint: self.url.clone(),
            timeout: Duration::from_secs(5),
            kept_for: Duration::from_mins(10),
            token_file: None,
            ca_file: None,
        }
    }

    fn asked(&self) -> usize {
        locked(&self.asked).len()
    }

    fn behave(&self, manner: Manner) {
        *locked(&self.manner) = manner;
    }
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn address(n: usize) -> EmailAddress {
    EmailAddress::parse(&format!("ana{n}@acme.example")).unwrap()
}

fn ana() -> LookedUp {
    LookedUp::Found(Customer { name: "Ana".to_owned(), tier: Some("advanced".to_owned()), ..Customer::default() })
}

const ANA: &str = r#"{"name":"Ana","tier":"advanced"}"#;

#[tokio::test]
async fn what_comes_of_an_answer() {
    let server = Server::start(Manner::Silent).await;
    let failed = |why: &str| LookedUp::Failed(why.to_owned());
    let huge = format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000));
    let endless = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n{}\r\n", "x".repeat(70_000));
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(301));
    let full = LookedUp::Found(Customer {
        name: "Ana".to_owned(),
        organisation: "Acme".to_owned(),
        plan: "extended".to_owned(),
        tier: None,
        language: Language::parse("pt"),
        zone: Some(jiff::tz::TimeZone::get("America/Recife").unwrap()),
        valid_from: Some(jiff::civil::date(2026, 1, 1)),
        valid_until: Some(jiff::civil::date(2026, 12, 31)),
    });
    #[rustfmt::skip]
    let table = [
        (http("200 OK", ANA), ana(), "good"),
        (http("200 OK", r#"{"id":5,"name":" Ana ","organisation":"Acme","plan":"extended","tier":null,"language":"pt-BR","zone":"America/Recife","valid_from":"2026-01-01","valid_until":"2026-12-31"}"#), full, "all of it, and more"),
        (http("404 Not Found", "<html>"), LookedUp::Nobody, "nobody"),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), LookedUp::Nobody, "nobody"),
        (http("200 OK", "null"), LookedUp::Nobody, "nobody"),
        (http("200 OK", "{}"), LookedUp::Nobody, "nothing is said"),
        (http("500 Internal Server Error", ANA), failed("gave status 500"), "out of order"),
        (http("401 Unauthorized", ""), failed("gave status 401"), "a wrong token"),
        (http("302 Found", ""), failed("gave status 302"), "it is not followed"),
        (http("200 OK", r#"{"name":"#), failed("gave no JSON object of texts"), "broken"),
        (http("200 OK", "<html>"), failed("gave no JSON object of texts"), "a page"),
        (http("200 OK", r#"{"zone":"Brasília"}"#), failed("gave a zone that is none, such as Europe/Lisbon"), "no such zone"),
        (http("200 OK", r#"{"tier":5}"#), failed("gave no JSON object of texts"), "a number"),
        (http("200 OK", r#"{"tier":"a","tier":"b"}"#), failed("gave no JSON object of texts"), "twice"),
        (http("200 OK", &huge), failed("gave more than 65536 octets"), "huge, and says so"),
        (endless, failed("gave more than 65536 octets"), "huge, and does not say so"),
        (http("200 OK", &long), failed("gave a name of more than 300 octets"), "a long name"),
        (http("200 OK", r#"{"name":"a\nb"}"#), failed("gave a name with a line break or another control character"), "two lines"),
        (http("200 OK", r#"{"language":"english"}"#), failed("gave a language that is none, such as en"), "no language"),
        (http("200 OK", r#"{"valid_until":"31.12.2026"}"#), failed("gave a valid_until that is no day such as 2026-12-31"), "no day"),
    ];
    for (n, (text, expect, why)) in table.into_iter().enumerate() {
        server.behave(Manner::Says(text));
        assert_eq!(server.look_up().ask(&address(n)).await, expect, "{why}");
    }
    for (text, why) in [("nonsense\r\n\r\n", "no HTTP"), ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", "cut off")] {
        server.behave(Manner::SaysAndCloses(text.to_owned()));
        assert!(matches!(server.look_up().ask(&address(1)).await, LookedUp::Failed(_)), "{why}");
    }
}

#[tokio::test]
async fn what_is_asked_and_how_long_it_counts() {
    let server = Server::start(Manner::Says(http("200 OK", ANA))).await;
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "s3cret\n").unwrap();
    let look_up = LookUp::new(LookUpSettings { token_file: Some(token.path().to_owned()), ..server.settings() });
    let odd = EmailAddress::parse("a+b&c@bücher.example").unwrap();
    assert_eq!(look_up.ask(&odd).await, ana());
    assert_eq!((look_up.ask(&odd).await, server.asked()), (ana(), 1), "kept");
    std::fs::write(token.path(), "renewed\n").unwrap();
    assert_eq!((look_up.ask(&address(1)).await, server.asked()), (ana(), 2));
    let asked = locked(&server.asked).clone();
    let (first, second) = (asked[0].clone(), asked[1].clone());
    assert!(first.1.starts_with("GET /lookup?address=a%2Bb%26c%40xn--bcher-kva.example HTTP/1.1\r\n"), "{}", first.1);
    assert!(first.1.contains("authorization: Bearer s3cret\r\n") && second.1.contains("authorization: Bearer renewed\r\n"));
    assert_eq!((first.0, second.0), (0, 0), "over one connection");

    server.behave(Manner::Closes);
    assert!(matches!(look_up.ask(&address(2)).await, LookedUp::Failed(_)));
    assert_eq!(server.asked(), 4, "asked again where a kept connection ends, once");
    server.behave(Manner::Says(http("404 Not Found", "")));
    assert_eq!((look_up.ask(&address(2)).await, server.asked()), (LookedUp::Nobody, 5), "failures are not kept");
    assert_eq!((look_up.ask(&address(2)).await, server.asked()), (LookedUp::Nobody, 5), "that there is nobody is");
    let forgetful = LookUp::new(LookUpSettings { kept_for: Duration::ZERO, ..server.settings() });
    forgetful.ask(&address(2)).await;
    forgetful.ask(&address(2)).await;
    assert_eq!(server.asked(), 7, "unless nothing shall be");
    std::fs::write(token.path(), "").unwrap();
    let why = LookedUp::Failed("has no token: lookup_token_file is empty".to_owned());
    assert_eq!((look_up.ask(&address(3)).await, server.asked()), (why, 7), "nobody is asked without it");
}

/// Time stands still unless everybody waits.
#[tokio::test(start_paused = true)]
async fn p3_a_slow_or_dead_system_is_not_in_the_way() {
    let server = Server::start(Manner::Silent).await;
    let look_up = LookUp::new(LookUpSettings { timeout: Duration::from_millis(300), ..server.settings() });
    let begun = Instant::now();
    for n in 0..FAILURES_MAX as usize {
        assert_eq!(look_up.ask(&address(n)).await, LookedUp::Failed("gave no answer within 300 ms".to_owned()));
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "each costs the limit: {:?}", begun.elapsed());
    let (begun, left_alone) = (Instant::now(), LookedUp::Failed("is left alone for 15 s, since it did not answer".to_owned()));
    for n in 0..1000 {
        assert_eq!(look_up.ask(&address(n)).await, left_alone);
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "then it is left alone");
    tokio::time::advance(QUIET).await;
    assert_ne!(look_up.ask(&address(0)).await, left_alone, "for a while");
    assert_eq!(look_up.ask(&address(1)).await, left_alone, "and again");
}

#[tokio::test]
async fn a_system_that_is_down_or_works_again() {
    let server = Server::start(Manner::Says(http("200 OK", ANA))).await;
    let look_up = server.look_up();
    let down = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let nobody_there = LookUp::new(LookUpSettings { endpoint: TokenUrl { port: down, ..server.url.clone() }, ..server.settings() });
    let LookedUp::Failed(why) = nobody_there.ask(&address(1)).await else { panic!("nobody is there") };
    assert!(why.starts_with("could not be asked: Connection refused"), "{why}");
    server.behave(Manner::Says(http("503 Service Unavailable", "")));
    for n in 1..FAILURES_MAX as usize {
        assert!(matches!(look_up.ask(&address(n)).await, LookedUp::Failed(_)));
    }
    server.behave(Manner::Says(http("200 OK", ANA)));
    assert_eq!(look_up.ask(&address(100)).await, ana(), "one answer ends the count");
    assert_eq!(locked(&look_up.0.trouble).failures, 0);
}

#[test]
fn p11_the_cache_is_bounded_and_forgets() {
    let (mut cache, now) = (Cache::default(), Instant::now());
    for n in 0..3 * KEPT_MAX {
        cache.put(&address(n), LookedUp::Nobody, now + NOBODY_KEPT_MAX);
        assert!(cache.young.len() + cache.old.len() <= KEPT_MAX, "{n}");
        assert_eq!(cache.get(&address(n), now), Some(LookedUp::Nobody), "the newest is there");
        assert_eq!(cache.get(&address(n), now + NOBODY_KEPT_MAX), None, "until it runs out");
    }
}
