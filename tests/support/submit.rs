//! The smallest client that hands a mail to a server, by SMTP or LMTP, with no code of the project in between.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Which greeting the server wants.
#[derive(Clone, Copy)]
pub enum Protocol {
    Smtp,
    Lmtp,
}

/// Hands over one mail; `Err` is the server's refusal. An empty `from` is the null sender.
pub async fn submit(protocol: Protocol, port: u16, from: &str, to: &str, octets: &[u8]) -> Result<(), String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(|e| e.to_string())?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let mut stream = BufReader::new(stream);
    expect(&mut stream, '2').await?;
    let hello = match protocol {
        Protocol::Smtp => "EHLO client.test.example",
        Protocol::Lmtp => "LHLO client.test.example",
    };
    for (command, first) in
        [(hello.to_owned(), '2'), (format!("MAIL FROM:<{from}>"), '2'), (format!("RCPT TO:<{to}>"), '2'), ("DATA".to_owned(), '3')]
    {
        stream.write_all(format!("{command}\r\n").as_bytes()).await.map_err(|e| e.to_string())?;
        expect(&mut stream, first).await?;
    }
    let mut content = Vec::new();
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        if line.first() == Some(&b'.') {
            content.push(b'.');
        }
        content.extend_from_slice(line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line)));
        content.extend_from_slice(b"\r\n");
    }
    content.extend_from_slice(b".\r\n");
    stream.write_all(&content).await.map_err(|e| e.to_string())?;
    expect(&mut stream, '2').await?;
    // Leaving without waiting: the mail is taken.
    let _ = stream.write_all(b"QUIT\r\n").await;
    Ok(())
}

async fn expect(stream: &mut BufReader<TcpStream>, first: char) -> Result<(), String> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.map_err(|e| e.to_string())? == 0 {
            return Err("closed".to_owned());
        }
        if line.as_bytes().get(3) == Some(&b'-') {
            continue;
        }
        return if line.starts_with(first) { Ok(()) } else { Err(line.trim_end().to_owned()) };
    }
}
