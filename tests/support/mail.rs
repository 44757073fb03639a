//! Mails as people's programs write them, and what a received one says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

/// A mail in the making. What is set is written as it is given: a test may write nonsense.
#[derive(Clone, Debug)]
pub struct MailText {
    headers: Vec<(String, String)>,
    text: String,
    attachments: Vec<(String, String, Vec<u8>)>,
}

impl MailText {
    /// From and to, with a Message-ID of its own and the present date.
    pub fn new(from: &str, to: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let now = jiff::Timestamp::now();
        let date = jiff::fmt::rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
        let id = format!("<{}.{}.{count}@client.test.example>", now.as_microsecond(), std::process::id());
        let headers = [("From", from), ("To", to), ("Date", &date), ("Message-ID", &id)];
        Self {
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            text: "Hello.\r\n".to_owned(),
            attachments: Vec::new(),
        }
    }

    /// Sets a header, in the place of one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match self.headers.iter_mut().find(|(present, _)| present.eq_ignore_ascii_case(name)) {
            Some((_, present)) => value.clone_into(present),
            None => self.headers.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Sets the subject, encoded as mail programs do (RFC 2047); `header` writes it raw.
    #[must_use]
    pub fn subject(self, subject: &str) -> Self {
        if subject.is_ascii() {
            return self.header("Subject", subject);
        }
        let mut words = Vec::new();
        let mut word = String::new();
        for c in subject.chars() {
            if word.len() + c.len_utf8() > 42 {
                words.push(std::mem::take(&mut word));
            }
            word.push(c);
        }
        words.push(word);
        let encoded: Vec<_> = words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
        self.header("Subject", &encoded.join("\r\n "))
    }

    /// Answers a mail: In-Reply-To, References and the subject with `Re: `, as mail programs do.
    #[must_use]
    pub fn reply_to(self, received: &[u8]) -> Self {
        let id = header(received, "Message-ID").unwrap_or_default();
        let references = header(received, "References").map_or_else(|| id.clone(), |before| format!("{before} {id}"));
        let subject =
            mail_parser::MessageParser::default().parse(received).and_then(|mail| mail.subject().map(str::to_owned)).unwrap_or_default();
        let subject = if subject.to_ascii_lowercase().starts_with("re:") { subject } else { format!("Re: {subject}") };
        self.header("In-Reply-To", &id).header("References", &references).subject(&subject)
    }

    /// The text, with LF or CRLF.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        text.clone_into(&mut self.text);
        self
    }

    #[must_use]
    pub fn attach(mut self, name: &str, media_type: &str, octets: &[u8]) -> Self {
        self.attachments.push((name.to_owned(), media_type.to_owned(), octets.to_owned()));
        self
    }

    /// The Message-ID, with its brackets.
    pub fn message_id(&self) -> String {
        self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Message-ID")).map(|(_, id)| id.clone()).unwrap_or_default()
    }

    /// The mail, each line with CRLF.
    pub fn octets(&self) -> Vec<u8> {
        const BOUNDARY: &str = "=-guichet-test-boundary-=";
        let mut mail = String::new();
        for (name, value) in &self.headers {
            writeln!(mail, "{name}: {value}").unwrap();
        }
        writeln!(mail, "MIME-Version: 1.0").unwrap();
        let plain = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n";
        if self.attachments.is_empty() {
            write!(mail, "{plain}\n{}", self.text).unwrap();
        } else {
            writeln!(mail, "Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\n").unwrap();
            write!(mail, "--{BOUNDARY}\n{plain}\n{}\n", self.text).unwrap();
            for (name, media_type, octets) in &self.attachments {
                let encoded = STANDARD.encode(octets);
                writeln!(mail, "--{BOUNDARY}\nContent-Type: {media_type}; name=\"{name}\"").unwrap();
                writeln!(mail, "Content-Disposition: attachment; filename=\"{name}\"\nContent-Transfer-Encoding: base64\n").unwrap();
                for line in encoded.as_bytes().chunks(76) {
                    writeln!(mail, "{}", String::from_utf8_lossy(line)).unwrap();
                }
            }
            writeln!(mail, "--{BOUNDARY}--").unwrap();
        }
        mail.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()
    }
}

/// A received mail, parsed.
pub fn parse(octets: &[u8]) -> mail_parser::Message<'static> {
    mail_parser::MessageParser::default().parse(octets).expect("a mail").into_owned()
}

/// The first header of this name as it was written, unfolded.
pub fn header(octets: &[u8], name: &str) -> Option<String> {
    let mail = mail_parser::MessageParser::default().parse(octets)?;
    let (_, value) = mail.headers_raw().find(|(present, _)| present.eq_ignore_ascii_case(name))?;
    Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The text of a received mail, with LF; lines that were broken on the way are joined (RFC 3676 section 4).
pub fn text(octets: &[u8]) -> String {
    let text = parse(octets).body_text(0).map(|text| text.replace("\r\n", "\n")).unwrap_or_default();
    if String::from_utf8_lossy(octets).contains("format=\"flowed\"") { text.replace(" \n", " ") } else { text }
}

/// The address (without a name) in a header.
pub fn address(octets: &[u8], name: &str) -> Option<String> {
    let value = header(octets, name)?;
    let inner = value.rsplit_once('<').map_or(value.as_str(), |(_, inner)| inner);
    Some(inner.trim_end_matches('>').trim().to_owned())
}
