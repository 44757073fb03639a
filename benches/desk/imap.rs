//! The plainest way to fetch a mailbox: what everything else is compared with.
//!
//! All of it is asked for with one command, is in memory, then in one file that is synced once; then all is moved, in batches.
//! Nothing is parsed, threaded, decided or indexed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Messages of one MOVE.
const MOVE_TOGETHER: usize = 256;

/// What it took.
pub struct Downloaded {
    pub mails: usize,
    pub octets: usize,
    pub download: Duration,
    pub moving: Duration,
}

/// Fetches everything in INBOX, writes and syncs it, and moves it to `Processed`. Blocks.
pub fn download(port: u16, user: &str, password: &str, into: &Path) -> io::Result<Downloaded> {
    let start = Instant::now();
    let mut client = Client::connect(port)?;
    client.run(&format!("LOGIN {user} {password}"), |_, _| {})?;
    client.run("SELECT INBOX", |_, _| {})?;
    let (mut uids, mut mails) = (Vec::new(), Vec::new());
    client.run("UID FETCH 1:* (UID BODY.PEEK[])", |line, literal| {
        let uid = line.split_once("UID ").and_then(|(_, rest)| rest.split([' ', ')']).next()?.parse::<u32>().ok());
        if let (Some(uid), Some(mail)) = (uid, literal) {
            uids.push(uid);
            mails.push(mail);
        }
    })?;
    let mut file = File::create(into)?;
    for mail in &mails {
        file.write_all(mail)?;
    }
    file.sync_all()?;
    let download = start.elapsed();
    for batch in uids.chunks(MOVE_TOGETHER) {
        // A new mailbox counts from 1 without holes.
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { continue };
        client.run(&format!("UID MOVE {first}:{last} Processed"), |_, _| {})?;
    }
    let moving = start.elapsed().saturating_sub(download);
    client.run("LOGOUT", |_, _| {})?;
    Ok(Downloaded { mails: mails.len(), octets: mails.iter().map(Vec::len).sum(), download, moving })
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        let mut client = Self(BufReader::with_capacity(256 * 1024, stream));
        client.line()?;
        Ok(client)
    }

    /// Runs a command; each untagged line goes to `each`, with its literal if it has one.
    fn run(&mut self, command: &str, mut each: impl FnMut(&str, Option<Vec<u8>>)) -> io::Result<()> {
        self.0.get_mut().write_all(format!("a {command}\r\n").as_bytes())?;
        loop {
            let line = self.line()?;
            if let Some(answer) = line.strip_prefix("a ") {
                let text = || io::Error::other(format!("{}: {answer}", command.split(' ').next().unwrap_or_default()));
                return if answer.starts_with("OK") { Ok(()) } else { Err(text()) };
            }
            let announced = line.strip_suffix('}').and_then(|line| line.rsplit_once('{')?.1.parse::<usize>().ok());
            let literal = match announced {
                Some(octets) => {
                    let mut literal = vec![0; octets];
                    self.0.read_exact(&mut literal)?;
                    self.line()?;
                    Some(literal)
                }
                None => None,
            };
            each(&line, literal);
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        if self.0.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}
