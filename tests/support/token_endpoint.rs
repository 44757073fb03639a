//! A token endpoint over HTTPS, which answers as a test wants it.

use super::authority::{Authority, acceptor, authority};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub authorization: Option<String>,
    pub form: BTreeMap<String, String>,
}

type Answer = Box<dyn FnMut(&Asked) -> (u16, String) + Send>;

/// It ends with the test's runtime.
pub struct TokenEndpoint {
    pub port: u16,
    shared: Arc<Mutex<(Vec<Asked>, Answer)>>,
    authority: Arc<Authority>,
}

impl TokenEndpoint {
    pub async fn start(answer: impl FnMut(&Asked) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let authority = authority();
        let acceptor = acceptor(&authority);
        let shared: Arc<Mutex<(Vec<Asked>, Answer)>> = Arc::new(Mutex::new((Vec::new(), Box::new(answer))));
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, shared) = (acceptor.clone(), Arc::clone(&serving));
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    let service = service_fn(|request| serve(request, Arc::clone(&shared)));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(tls), service).await;
                });
            }
        });
        Self { port, shared, authority }
    }

    /// From now on it answers otherwise.
    pub fn answer(&self, answer: impl FnMut(&Asked) -> (u16, String) + Send + 'static) {
        self.shared.lock().unwrap().1 = Box::new(answer);
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.shared.lock().unwrap().0.clone()
    }

    /// The authority that signed its certificate.
    pub fn ca_pem(&self) -> &Path {
        &self.authority.ca_pem
    }

    /// An authority that did not.
    pub fn stranger_pem(&self) -> &Path {
        &self.authority.stranger_pem
    }
}

async fn serve(request: Request<Incoming>, shared: Arc<Mutex<(Vec<Asked>, Answer)>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!((request.method().as_str(), header("content-type").as_deref()), ("POST", Some("application/x-www-form-urlencoded")));
    let authorization = header("authorization");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let asked = Asked { authorization, form: form(std::str::from_utf8(&body).unwrap()) };
    let (status, text) = {
        let (log, answer) = &mut *shared.lock().unwrap();
        log.push(asked.clone());
        answer(&asked)
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    Ok(response.body(Full::new(Bytes::from(text))).unwrap())
}

fn form(body: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let mut octets = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, behind @ ..] = rest {
            rest = match (first, behind) {
                (b'%', [a, b, behind @ ..]) => {
                    octets.push(u8::from_str_radix(std::str::from_utf8(&[*a, *b]).unwrap(), 16).unwrap());
                    behind
                }
                (b'+', _) => {
                    octets.push(b' ');
                    behind
                }
                (other, _) => {
                    octets.push(*other);
                    behind
                }
            };
        }
        String::from_utf8(octets).unwrap()
    };
    body.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decoded(name), decoded(value))).collect()
}
