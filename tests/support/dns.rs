//! A name server on loopback, over UDP, that knows what a test tells it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;

/// What it says of a name.
#[derive(Clone, Debug)]
pub enum Told {
    Text(String),
    /// Another name of it.
    Alias(String),
    Failure,
    Silence,
}

/// It ends with the test's runtime.
pub struct NameServer {
    pub port: u16,
    told: Arc<Mutex<HashMap<String, Told>>>,
    asked: Arc<AtomicUsize>,
}

impl NameServer {
    pub async fn start(zone: &[(&str, Told)]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let told: HashMap<String, Told> = zone.iter().map(|(name, told)| ((*name).to_owned(), told.clone())).collect();
        let server = Self { port, told: Arc::new(Mutex::new(told)), asked: Arc::default() };
        let (zone, asked) = (Arc::clone(&server.told), Arc::clone(&server.asked));
        tokio::spawn(async move {
            let mut query = [0; 4096];
            while let Ok((octets, peer)) = socket.recv_from(&mut query).await {
                asked.fetch_add(1, Ordering::SeqCst);
                let answer = answer(&query[..octets], &zone.lock().unwrap());
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer, peer).await;
                }
            }
        });
        server
    }

    /// From now on it says this, too.
    pub fn tell(&self, name: &str, told: Told) {
        self.told.lock().unwrap().insert(name.to_owned(), told);
    }

    /// How many questions came.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// RFC 1035 section 4.1: the question again, and one record, or the code that there is no such name.
fn answer(query: &[u8], zone: &HashMap<String, Told>) -> Option<Vec<u8>> {
    const TXT: u16 = 16;
    const CNAME: u16 = 5;
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8(query[at + 1..=at + length].to_vec()).unwrap().to_ascii_lowercase());
        at += length + 1;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let question = &query[12..at + 5];
    let (code, record) = match zone.get(&labels.join(".")) {
        Some(Told::Silence) => return None,
        Some(Told::Failure) => (2, None),
        Some(Told::Text(text)) if kind == TXT => {
            let strings = text.as_bytes().chunks(255).flat_map(|part| [&[u8::try_from(part.len()).unwrap()], part].concat());
            (0, Some((TXT, strings.collect::<Vec<u8>>())))
        }
        Some(Told::Alias(name)) => {
            let mut to: Vec<u8> = name.split('.').flat_map(|l| [&[u8::try_from(l.len()).unwrap()], l.as_bytes()].concat()).collect();
            to.push(0);
            (0, Some((CNAME, to)))
        }
        Some(Told::Text(_)) => (0, None),
        None => (3, None),
    };
    let mut out = query[..2].to_vec();
    out.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(record.is_some()), 0, 0, 0, 0]);
    out.extend(question);
    if let Some((kind, data)) = record {
        // The name is that of the question.
        out.extend([0xC0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 1, 44]);
        out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        out.extend(data);
    }
    Some(out)
}
