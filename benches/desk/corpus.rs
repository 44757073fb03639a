//! A help desk's mailbox, made up: the same for the same arguments, on every machine.
//!
//! Of all mails 60 % are new requests and 40 % replies in a thread of the same customer; 70 % are small (2 to 8 KB, half of them with
//! an HTML alternative), 20 % quote a history of 10 to 40 KB, 10 % carry one attachment of 50 to 500 KB. Three languages,
//! three character sets, quoted-printable and base64. Lines end with LF, as they lie in a Maildir.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

/// Where the mails are addressed to.
pub const DESK: &str = "support@desk.example";

/// One mail of the mailbox.
pub struct Sample {
    pub octets: Vec<u8>,
    /// It opens a thread.
    pub opens: bool,
    /// Which thread it belongs to.
    pub thread: usize,
    /// The file that comes with it, by its BLAKE3 hash.
    pub attachment: Option<String>,
}

struct Speech {
    language: &'static str,
    answer: &'static str,
    wrote: &'static str,
    subjects: &'static [&'static str],
    greetings: &'static [&'static str],
    sentences: &'static [&'static str],
    closings: &'static [&'static str],
    names: &'static [&'static str],
}

/// In a text, `{p}` becomes a product, `{n}` a number.
static SPEECHES: [Speech; 3] = [
    Speech {
        language: "en",
        answer: "Re: ",
        wrote: "On 3 March, {w} wrote:",
        subjects: &[
            "Cannot sign in to {p} any more",
            "Invoice {n} shows a wrong amount",
            "{p} ends when I print",
            "Order {n} has not come",
        ],
        greetings: &["Hello,", "Good morning,", "Dear support team,"],
        sentences: &[
            "Since the update of last week nobody in our office has been able to open {p}.",
            "The code on the screen is {n}, and it shows after about ten seconds.",
            "We have restarted the machine twice, which did not help.",
            "Could you tell me what the next step should be?",
            "A colleague in the other branch sees the same, so it is not my computer alone.",
            "We agreed on a price of {n}, and the invoice says something else.",
            "This holds up our month end, so it is rather urgent for us.",
            "Our customer number is {n}, in case you need it.",
        ],
        closings: &["Kind regards,", "Best wishes,"],
        names: &["Alice Baker", "Derek Clarke", "Hannah Dunne", "Zoë Walsh"],
    },
    Speech {
        language: "pt",
        answer: "RES: ",
        wrote: "Em 3 de março, {w} escreveu:",
        subjects: &[
            "Não consigo entrar no {p}",
            "Fatura {n} com valor incorreto",
            "Dúvida sobre a licença do {p}",
            "Encomenda {n} não chegou",
        ],
        greetings: &["Olá,", "Bom dia,", "Prezados senhores,"],
        sentences: &[
            "Desde a atualização da semana passada ninguém no escritório consegue abrir o {p}.",
            "O código na tela é {n} e aparece após uns dez segundos.",
            "Já reiniciamos a máquina duas vezes, mas a situação não mudou.",
            "Poderiam indicar qual é o próximo passo, por favor?",
            "A minha colega da filial de São João vê a mesma mensagem.",
            "O preço combinado foi {n}, mas a fatura mostra outro valor.",
            "Isto impede o fecho do mês, portanto é urgente para nós.",
            "O número de cliente é {n}, caso precisem.",
        ],
        closings: &["Atenciosamente,", "Obrigado pela atenção,"],
        names: &["Ana Gonçalves", "João Araújo", "Luísa Conceição", "Mário Silva"],
    },
    Speech {
        language: "et",
        answer: "Vs: ",
        wrote: "{w} kirjutas 3. märtsil:",
        subjects: &[
            "Ma ei saa programmi {p} sisse logida",
            "Arvel {n} on vale summa",
            "Küsimus {p} litsentsi kohta",
            "Tellimus {n} ei ole kohal",
        ],
        greetings: &["Tere!", "Tere hommikust!", "Lugupeetud klienditugi,"],
        sentences: &[
            "Alates eelmise nädala uuendusest ei ole keegi meie kontoris saanud {p} avada.",
            "Ekraanil on veakood {n} ja see ilmub umbes kümne sekundi pärast.",
            "Taaskäivitasime arvuti juba kaks korda, aga sellest ei olnud abi.",
            "Kas saaksite öelda, mida peaksin järgmisena tegema?",
            "Kolleegil Pärnu esinduses on täpselt sama häda.",
            "Kokkulepitud hind oli {n}, kuid arvel on midagi muud.",
            "See takistab kuu sulgemist, seega on asi meile üsna kiire.",
            "Kliendinumber on {n}, kui seda vaja läheb.",
        ],
        closings: &["Lugupidamisega", "Parimate soovidega"],
        names: &["Märt Jõgi", "Piret Kääri", "Tõnu Mägi", "Ülle Saar"],
    },
];
const PRODUCTS: [&str; 5] = ["Tarvo 300", "Nordlys", "PayBridge", "Atlas Router", "Orca Backup"];
const PROGRAMS: [&str; 3] = ["Mozilla Thunderbird 115.9.0", "Microsoft Outlook 16.0", "Roundcube Webmail/1.6.5"];
const CHARSETS: [&str; 3] = ["utf-8", "iso-8859-1", "windows-1252"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Small,
    Quoting,
    Attaching,
}

/// A thread so far.
struct Thread {
    speech: &'static Speech,
    charset: &'static str,
    name: &'static str,
    address: String,
    subject: String,
    ids: Vec<String>,
    said: Vec<String>,
}

/// So many mails, oldest first.
pub fn mailbox(count: usize) -> Vec<Sample> {
    let mut random = Random(0x5eed);
    let opening = count.saturating_mul(6) / 10;
    let mut opens: Vec<bool> = (0..count).map(|n| n < opening.max(1)).collect();
    // The first must open a thread.
    random.shuffle(opens.get_mut(1..).unwrap_or_default());
    let mut kinds = vec![Kind::Small; count];
    let mut replies: Vec<usize> = (0..count).filter(|n| !opens[*n]).collect();
    random.shuffle(&mut replies);
    for n in replies.into_iter().take(count / 5) {
        kinds[n] = Kind::Quoting;
    }
    let mut others: Vec<usize> = (0..count).filter(|n| kinds[*n] == Kind::Small).collect();
    random.shuffle(&mut others);
    for n in others.into_iter().take(count / 10) {
        kinds[n] = Kind::Attaching;
    }
    let mut threads: Vec<Thread> = Vec::new();
    let mut samples = Vec::with_capacity(count);
    for (n, (opens, kind)) in opens.into_iter().zip(kinds).enumerate() {
        let at = if opens {
            threads.push(thread(&mut random, n));
            threads.len() - 1
        } else {
            // Most replies come soon.
            threads.len() - 1 - random.below(threads.len().min(200))
        };
        let (octets, attachment) = mail(&mut random, n, kind, &mut threads[at]);
        samples.push(Sample { octets, opens, thread: at, attachment });
    }
    samples
}

fn thread(random: &mut Random, n: usize) -> Thread {
    let speech = &SPEECHES[random.below(SPEECHES.len())];
    // Five hundred organisations, some of them with several people.
    let (organisation, person) = (random.below(500), random.below(8));
    let subject = random.pick(speech.subjects);
    let subject = fill(random, subject);
    Thread {
        speech,
        charset: random.pick(&CHARSETS),
        name: speech.names[(organisation + person) % speech.names.len()],
        address: format!("user{person}@customer{organisation}.example"),
        subject: format!("{subject} ({n})"),
        ids: Vec::new(),
        said: Vec::new(),
    }
}

fn mail(random: &mut Random, n: usize, kind: Kind, thread: &mut Thread) -> (Vec<u8>, Option<String>) {
    let id = format!("<{:016x}.{n}@{}>", random.next(), thread.address.split('@').nth(1).unwrap_or_default());
    let head = head(random, n, &id, thread);
    let speech = thread.speech;
    let base64 = random.below(10) < 3;
    let alternative = random.below(2) == 0;
    let boundary = format!("----=_Part_{n}_{:08x}", random.below(1 << 31));
    let wanted = match kind {
        Kind::Small => 2_200 + random.below(5_500),
        Kind::Quoting => 10_500 + random.below(28_500),
        Kind::Attaching => 1_500 + random.below(2_000),
    };
    // What encoding and the copy in HTML add.
    let times = if base64 { 137 } else { 108 } * if alternative { 215 } else { 100 };
    let room = wanted.saturating_sub(head.len() + 400) * 10_000 / times;
    let new = paragraphs(random, speech, if kind == Kind::Quoting { 400 } else { room });
    let mut text = format!("{}\n\n{new}{}\n{}\n", random.pick(speech.greetings), random.pick(speech.closings), thread.name);
    if kind == Kind::Quoting {
        text.push('\n');
        let mut depth = 1;
        while text.len() < room {
            let said = thread.said.iter().rev().nth(depth - 1).cloned().unwrap_or_else(|| paragraphs(random, speech, 1500));
            let marks = ">".repeat(depth.min(6));
            let _ = writeln!(text, "{} {}", &marks[1..], speech.wrote.replace("{w}", thread.name));
            for line in said.lines() {
                let _ = writeln!(text, "{marks} {line}");
            }
            depth += 1;
        }
    }
    let inner = texts(&text, thread.charset, base64, alternative, &boundary);
    let mut octets = head.into_bytes();
    let mut attachment = None;
    if kind == Kind::Attaching {
        // From 50 to 500 KB, each size as likely on a logarithmic scale.
        let step = random.below(1000);
        let size = 51_200 * (1000 + step * step * 9 / 1000) / 1000;
        let (name, media_type) = random.pick(&[("scan", "application/pdf"), ("captura de ecrã", "image/png"), ("veateade", "image/jpeg")]);
        let name = STANDARD.encode(format!("{name} {n}"));
        let outer = format!("{boundary}_mixed");
        let _ = std::io::Write::write_fmt(
            &mut octets,
            format_args!(
                "Content-Type: multipart/mixed; boundary=\"{outer}\"\n\n--{outer}\n{inner}--{outer}\nContent-Type: {media_type}\n\
                 Content-Transfer-Encoding: base64\nContent-Disposition: attachment;\n filename=\"=?utf-8?B?{name}?=\"\n\n",
            ),
        );
        let file = random.octets(size);
        attachment = Some(blake3::hash(&file).to_hex().to_string());
        push_base64(&mut octets, &file);
        octets.extend_from_slice(format!("--{outer}--\n").as_bytes());
    } else {
        octets.extend_from_slice(inner.as_bytes());
    }
    thread.ids.push(id);
    thread.said.push(new);
    (octets, attachment)
}

fn head(random: &mut Random, n: usize, id: &str, thread: &Thread) -> String {
    let domain = thread.address.split('@').nth(1).unwrap_or_default();
    let (day, hour, minute, second) = (1 + n / 2000 % 28, 8 + n / 200 % 10, n / 4 % 60, n % 4 * 15);
    let date = format!("{day} Apr 2025 {hour:02}:{minute:02}:{second:02} +0000");
    let mut head = String::new();
    let _ = writeln!(head, "Return-Path: <{}>", thread.address);
    let _ = writeln!(head, "Received: from mx1.{domain} (mx1.{domain} [192.0.2.{}])", 1 + n % 250);
    let _ = writeln!(head, "\tby mx.desk.example (Postfix) with ESMTPS id {:012X}\n\tfor <{DESK}>; {date}", random.next() >> 16);
    let _ = writeln!(head, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s1;\n\th=from:to:subject:date:message-id;");
    let _ = writeln!(head, "\tbh={};\n\tb={}", STANDARD.encode(random.octets(32)), STANDARD.encode(random.octets(48)));
    let _ = writeln!(head, "From: {} <{}>", encoded_word(thread.name), thread.address);
    let _ = writeln!(head, "To: Help Desk <{DESK}>");
    let answer = if thread.ids.is_empty() { "" } else { thread.speech.answer };
    let _ = writeln!(head, "Subject: {}", encoded_word(&format!("{answer}{}", thread.subject)));
    let _ = writeln!(head, "Date: {date}\nMessage-ID: {id}");
    if let Some(last) = thread.ids.last() {
        let recent = &thread.ids[thread.ids.len().saturating_sub(12)..];
        // Of ten replies eight carry both, one only the one, one only the other.
        let links = random.below(10);
        if links != 0 {
            let _ = writeln!(head, "In-Reply-To: {last}");
        }
        if links != 1 {
            let _ = writeln!(head, "References: {}", recent.join("\n "));
        }
    }
    let _ = writeln!(head, "User-Agent: {}", random.pick(&PROGRAMS));
    let _ = writeln!(head, "Content-Language: {}\nMIME-Version: 1.0", thread.speech.language);
    head
}

fn fill(random: &mut Random, text: &str) -> String {
    let number = (1000 + random.below(99_000)).to_string();
    text.replace("{p}", random.pick(&PRODUCTS)).replace("{n}", &number)
}

/// Paragraphs of together about so many octets.
fn paragraphs(random: &mut Random, speech: &Speech, room: usize) -> String {
    let mut text = String::new();
    while text.len() < room.max(80) {
        let mut column = 0;
        for _ in 0..2 + random.below(4) {
            let sentence = random.pick(speech.sentences);
            let sentence = fill(random, sentence);
            for word in sentence.split(' ') {
                if column + word.len() > 74 {
                    text.push('\n');
                    column = 0;
                } else if column > 0 {
                    text.push(' ');
                }
                text.push_str(word);
                column += word.len() + 1;
            }
        }
        text.push_str("\n\n");
    }
    text
}

fn texts(text: &str, charset: &str, base64: bool, alternative: bool, boundary: &str) -> String {
    let plain = part("plain", text, charset, base64);
    if !alternative {
        return plain;
    }
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace("\n\n", "</p>\n<p>").replace('\n', "<br>\n");
    let html = format!("<html><head><style>p {{ margin: 0 }}</style></head>\n<body><p>{escaped}</p></body></html>\n");
    let html = part("html", &html, charset, base64);
    format!("Content-Type: multipart/alternative; boundary=\"{boundary}\"\n\n--{boundary}\n{plain}--{boundary}\n{html}--{boundary}--\n")
}

fn part(subtype: &str, text: &str, charset: &str, base64: bool) -> String {
    let octets = if charset == "utf-8" {
        text.as_bytes().to_vec()
    } else {
        // Every character of the texts above is in Latin-1, and at the same place in both character sets.
        text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
    };
    let (encoding, body) = if base64 {
        let mut body = Vec::new();
        push_base64(&mut body, &octets);
        ("base64", String::from_utf8(body).unwrap_or_default())
    } else {
        ("quoted-printable", quoted_printable(&octets))
    };
    format!("Content-Type: text/{subtype}; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n{body}")
}

fn quoted_printable(octets: &[u8]) -> String {
    let mut text = String::new();
    for line in octets.split(|octet| *octet == b'\n') {
        let mut column = 0;
        for &octet in line {
            let literal = matches!(octet, b' '..=b'~') && octet != b'=';
            let width = if literal { 1 } else { 3 };
            if column + width > 75 {
                text.push_str("=\n");
                column = 0;
            }
            column += width;
            if literal {
                text.push(char::from(octet));
            } else {
                let _ = write!(text, "={octet:02X}");
            }
        }
        text.push('\n');
    }
    text
}

fn push_base64(into: &mut Vec<u8>, octets: &[u8]) {
    for line in octets.chunks(57) {
        into.extend_from_slice(STANDARD.encode(line).as_bytes());
        into.push(b'\n');
    }
}

fn encoded_word(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = vec![String::new()];
    for c in text.chars() {
        if words.last().is_some_and(|word| word.len() + c.len_utf8() > 42) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect::<Vec<_>>().join("\n ")
}

/// SplitMix64: the same numbers everywhere, which crates for randomness do not promise from one version to the next.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or_default() % end.max(1)
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }

    fn octets(&mut self, count: usize) -> Vec<u8> {
        let mut octets: Vec<u8> = (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        octets.truncate(count);
        octets
    }
}
