//! Mails of four kilobytes, as they lie in a Maildir: four kinds in each of three languages.

use std::fmt::Write as _;

/// What a mail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A new matter in plain text, quoted-printable.
    Plain,
    /// A new matter in plain text and HTML.
    Alternative,
    /// A new matter in HTML alone.
    Html,
    /// An answer that quotes what it answers, to a reply address of ours.
    Reply,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Plain, Self::Alternative, Self::Html, Self::Reply];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Alternative => "alternative",
            Self::Html => "html",
            Self::Reply => "reply",
        }
    }
}

/// What is said in one language.
pub struct Speech {
    pub language: &'static str,
    pub name: &'static str,
    pub address: &'static str,
    subject: &'static str,
    answer: &'static str,
    wrote: &'static str,
    greeting: &'static str,
    paragraphs: [&'static str; 6],
    closing: &'static str,
}

pub const SPEECHES: [Speech; 3] = [
    Speech {
        language: "en",
        name: "Hannah Dunne",
        address: "hannah@dunne.example",
        subject: "Invoice 20417 shows a wrong amount",
        answer: "Re: ",
        wrote: "On Tue, 17 Nov 2026 at 15:42, Acme Support <support@desk.example> wrote:",
        greeting: "Dear support team,",
        paragraphs: [
            "last week we got your invoice 20417 for the third quarter, and the amount on it is not the one that we agreed upon in May. \
             The contract says 1,240 euros, the invoice says 1,420, so I suppose that somebody swapped two digits.",
            "I have looked through the order confirmation and through the mails that your colleague sent us in spring; all of them have \
             the lower amount. You will find the number of the order at the end of this message.",
            "Since the update on Monday there is also a second thing: when Derek opens the list of open items, the program stops for about \
             ten seconds and then shows the code 0x80040115. On my own computer it works as it should.",
            "We have restarted his machine twice and installed the program anew, which did not help. A colleague in the other branch sees \
             the same, so it cannot be his computer alone.",
            "Could you please check both, and tell me until when we may wait with the payment? Our month end is on the 30th, and I would \
             rather not pay an amount that has to be corrected afterwards.",
            "Our customer number is 88213, the order has the number 5-20417-3. You can reach me until five o'clock on any day but Friday.",
        ],
        closing: "Kind regards,",
    },
    Speech {
        language: "pt",
        name: "João Araújo",
        address: "joao@padaria.example",
        subject: "Não consigo imprimir as etiquetas desde a atualização",
        answer: "RES: ",
        wrote: "Em ter., 17 de nov. de 2026 às 15:42, Acme Support <support@desk.example> escreveu:",
        greeting: "Prezados senhores,",
        paragraphs: [
            "desde a atualização da semana passada ninguém no nosso escritório consegue imprimir as etiquetas. A impressora está ligada, \
             o papel está no lugar e a página de teste sai como devia, mas o programa fecha sem dizer nada.",
            "Já reiniciamos a máquina duas vezes e instalamos o programa outra vez, sem resultado. A minha colega da filial de São João vê \
             a mesma mensagem, portanto não é só o meu computador.",
            "O código que aparece na tela é 0x80040115, e aparece uns dez segundos depois de escolhermos a impressora. Antes disso dá para \
             ver a lista das etiquetas, com os preços certos.",
            "Além disso, a fatura 20417 chegou com um valor diferente do combinado: o contrato diz 1.240 euros, e a fatura mostra 1.420. \
             Imagino que alguém tenha trocado dois números.",
            "Poderiam verificar as duas coisas e dizer até quando podemos esperar com o pagamento? O fecho do mês é no dia 30, e isto \
             impede o trabalho da nossa loja, portanto é urgente para nós.",
            "O nosso número de cliente é 88213, e o da encomenda é 5-20417-3. Podem ligar até às cinco da tarde, menos à sexta-feira.",
        ],
        closing: "Atenciosamente,",
    },
    Speech {
        language: "et",
        name: "Piret Kääri",
        address: "piret@kaari.example",
        subject: "Arvel 20417 on vale summa",
        answer: "Vs: ",
        wrote: "Acme Support <support@desk.example> kirjutas kuupäeval T, 17. november 2026 kell 15:42:",
        greeting: "Lugupeetud klienditugi,",
        paragraphs: [
            "eelmisel nädalal saime teilt kolmanda kvartali arve 20417 ja sellel olev summa ei ole see, milles me mais kokku leppisime. \
             Lepingus on 1240 eurot, arvel 1420, nii et keegi on vist kaks numbrit ära vahetanud.",
            "Vaatasin läbi tellimuse kinnituse ja kirjad, mis teie kolleeg meile kevadel saatis: kõigis on väiksem summa. Tellimuse numbri \
             leiate selle kirja lõpust.",
            "Alates esmaspäevasest uuendusest on veel teine mure: kui Tõnu avab lahtiste arvete nimekirja, siis programm seisab umbes \
             kümme sekundit ja näitab veakoodi 0x80040115. Minu arvutis töötab see nii, nagu peab.",
            "Taaskäivitasime tema arvuti kaks korda ja paigaldasime programmi uuesti, aga sellest ei olnud abi. Kolleegil Pärnu esinduses \
             on täpselt sama häda, nii et asi ei ole ainult tema arvutis.",
            "Kas saaksite mõlemat kontrollida ja öelda, kui kaua võime maksmisega oodata? Kuu lõpp on kolmekümnendal ja ma ei tahaks \
             maksta summat, mida tuleb pärast parandada, seega on asi meile üsna kiire.",
            "Meie kliendinumber on 88213, tellimuse number on 5-20417-3. Helistada võib iga päev kella viieni, välja arvatud reedel.",
        ],
        closing: "Lugupidamisega",
    },
];

/// One mail; `reply_address` is where an answer goes. It says as much as four kilobytes hold, from the start again if need be.
pub fn mail(speech: &Speech, kind: Kind, reply_address: &str) -> Vec<u8> {
    (1..40).map(|count| with_paragraphs(speech, kind, reply_address, count)).find(|mail| mail.len() >= 3_850).unwrap_or_default()
}

fn with_paragraphs(speech: &Speech, kind: Kind, reply_address: &str, count: usize) -> Vec<u8> {
    let paragraphs = || speech.paragraphs.iter().cycle().map(|paragraph| wrapped(paragraph));
    let mut text = format!("{}\n\n", speech.greeting);
    for paragraph in paragraphs().take(count) {
        let _ = writeln!(text, "{paragraph}\n");
    }
    let _ = write!(text, "{}\n{}\n", speech.closing, speech.name);
    let mut mail = head(speech, kind, reply_address);
    let boundary = "000000000000a1b2c30614d5e6f7";
    match kind {
        Kind::Plain => mail.push_str(&part("plain", &text)),
        Kind::Html => mail.push_str(&part("html", &page(&text))),
        Kind::Alternative => {
            let _ = write!(mail, "Content-Type: multipart/alternative; boundary=\"{boundary}\"\n\n");
            let _ = write!(mail, "--{boundary}\n{}\n--{boundary}\n{}\n--{boundary}--\n", part("plain", &text), part("html", &page(&text)));
        }
        Kind::Reply => {
            let _ = write!(text, "\n{}\n", speech.wrote);
            for paragraph in paragraphs().skip(count).take(count) {
                for line in paragraph.lines() {
                    let _ = writeln!(text, "> {line}");
                }
                text.push_str(">\n");
            }
            mail.push_str(&part("plain", &text));
        }
    }
    mail.into_bytes()
}

/// What mail programs and servers write above a mail.
fn head(speech: &Speech, kind: Kind, reply_address: &str) -> String {
    let domain = speech.address.split('@').nth(1).unwrap_or_default();
    let (answer, to) = if kind == Kind::Reply { (speech.answer, reply_address) } else { ("", "support@desk.example") };
    let subject = encoded_word(&format!("{answer}{}", speech.subject));
    let links = if kind == Kind::Reply {
        "In-Reply-To: <CAF2vTq8Zk1@mail.desk.example>\nReferences: <CAOz8wK7pQ2@mail.dunne.example>\n <CAF2vTq8Zk1@mail.desk.example>\n"
    } else {
        ""
    };
    format!(
        "Return-Path: <{address}>\n\
         Delivered-To: support@desk.example\n\
         Received: from mx.desk.example (mx.desk.example [192.0.2.7])\n\tby imap.desk.example (Dovecot) with LMTP id kB2xLzQ1Zm8\n\t\
         for <support@desk.example>; Wed, 18 Nov 2026 09:12:44 +0000\n\
         Received: from out.{domain} (out.{domain} [198.51.100.21])\n\tby mx.desk.example (Postfix) with ESMTPS id 4XyZ12abc34\n\t\
         for <support@desk.example>; Wed, 18 Nov 2026 09:12:43 +0000 (UTC)\n\
         Authentication-Results: mx.desk.example; dkim=pass header.d={domain} header.s=s1;\n\tspf=pass smtp.mailfrom={address}; \
         dmarc=pass header.from={domain}\n\
         DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s1;\n\th=from:to:subject:date:message-id:mime-version;\n\t\
         bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\n\t\
         b=Qx1kTzYV0pYc8mYJ2w6l3o9r4u7x0A3D6G9J2M5P8S1V4Y7b0e3h6k9n2q5t8w1z\n\t 4C7F0I3L6O9R2U5X8a1d4g7j0m3p6s9v2y5B8E1H4K7N0Q3T6W9Z2c5f8i1l4o7r==\n\
         MIME-Version: 1.0\n\
         {links}From: {name} <{address}>\n\
         To: Acme Support <{to}>\n\
         Subject: {subject}\n\
         Date: Wed, 18 Nov 2026 11:12:41 +0200\n\
         Message-ID: <CAJ3kQmZr7x{word}-{language}@mail.{domain}>\n\
         User-Agent: Mozilla Thunderbird\n\
         Content-Language: {language}\n",
        address = speech.address,
        name = encoded_word(speech.name),
        word = kind.word(),
        language = speech.language,
    )
}

/// Broken at 72 octets or a little less.
fn wrapped(paragraph: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in paragraph.split(' ') {
        if column + word.len() > 72 {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
        }
        text.push_str(word);
        column += word.len() + 1;
    }
    text
}

/// A page as web mail writes it.
fn page(text: &str) -> String {
    let mut page = "<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></head><body>\n".to_owned();
    for paragraph in text.trim_end().split("\n\n") {
        let lines = paragraph.replace('&', "&amp;").replace('\n', " ");
        let _ = writeln!(page, "<div dir=\"ltr\">{lines}</div><div><br></div>");
    }
    page.push_str("</body></html>\n");
    page
}

fn part(subtype: &str, text: &str) -> String {
    let mut part = format!("Content-Type: text/{subtype}; charset=\"UTF-8\"\nContent-Transfer-Encoding: quoted-printable\n\n");
    for line in text.lines() {
        let mut column = 0;
        for octet in line.bytes() {
            if column > 70 {
                part.push_str("=\n");
                column = 0;
            }
            if matches!(octet, b' '..=b'~') && octet != b'=' {
                part.push(char::from(octet));
                column += 1;
            } else {
                let _ = write!(part, "={octet:02X}");
                column += 3;
            }
        }
        part.push('\n');
    }
    part
}

fn encoded_word(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut word = "=?UTF-8?Q?".to_owned();
    for octet in text.bytes() {
        match octet {
            b' ' => word.push('_'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => word.push(char::from(octet)),
            _ => {
                let _ = write!(word, "={octet:02X}");
            }
        }
    }
    word.push_str("?=");
    word
}
