//! The words by which mail programs introduce what they quote, in the languages that they speak. All lower case.

/// Verbs of an attribution line: "On … wrote:".
pub(super) const WROTE: [&str; 31] = [
    "wrote",
    "writes",
    "a écrit",
    "ha scritto",
    "schrieb",
    "schrieb am",
    "escreveu",
    "escribió",
    "schreef",
    "het geschreven",
    "skrev",
    "skrev följande",
    "napisał",
    "napisała",
    "napisał(a)",
    "kirjoitti",
    "kirjutas",
    "написал",
    "написала",
    "написал(а)",
    "написал (а)",
    "пишет",
    "писал",
    "пише",
    "napsal",
    "napsal(a)",
    "napísal",
    "írta",
    "a scris",
    "şunu yazdı",
    "ha escrit",
];

/// Words with which an attribution line begins; others need an address in it to be believed.
pub(super) const OPENERS: [&str; 24] = [
    "on ",
    "le ",
    "am ",
    "em ",
    "el ",
    "il ",
    "il giorno ",
    "in data ",
    "op ",
    "den ",
    "d. ",
    "på ",
    "dnia ",
    "w dniu ",
    "dne ",
    "kuupäev ",
    "a ",
    "at ",
    "pe ",
    "ma ",
    "ti ",
    "ke ",
    "to ",
    "la ",
];

/// What stands between the dashes of "-----Original Message-----".
pub(super) const ORIGINAL: [&str; 30] = [
    "original message",
    "original email",
    "original appointment",
    "reply message",
    "reply",
    "ursprüngliche nachricht",
    "originalnachricht",
    "urspr. nachricht",
    "mensagem original",
    "mensaje original",
    "message d'origine",
    "message d’origine",
    "message original",
    "messaggio originale",
    "messaggio originario",
    "oorspronkelijk bericht",
    "origineel bericht",
    "oprindelig meddelelse",
    "oprindelig besked",
    "original meddelelse",
    "opprinnelig melding",
    "opprinnelig e-post",
    "ursprungligt meddelande",
    "originalmeddelande",
    "alkuperäinen viesti",
    "algne sõnum",
    "algne kiri",
    "wiadomość oryginalna",
    "oryginalna wiadomość",
    "исходное сообщение",
];

/// The same for what is forwarded: it is what the sender wants to show.
pub(super) const FORWARDED: [&str; 51] = [
    "forwarded message",
    "begin forwarded message",
    "weitergeleitete nachricht",
    "mensagem encaminhada",
    "mensagem reencaminhada",
    "mensaje reenviado",
    "message transféré",
    "messaggio inoltrato",
    "doorgestuurd bericht",
    "videresendt meddelelse",
    "videresendt melding",
    "vidarebefordrat meddelande",
    "välitetty viesti",
    "edastatud kiri",
    "przekazana wiadomość",
    "пересылаемое сообщение",
    "forwarded email",
    "forwarded letter",
    "start of forwarded message",
    "weitergeleitete e-mail",
    "anfang der weitergeleiteten nachricht",
    "anfang der weitergeleiteten e-mail",
    "début du message réexpédié",
    "début du message transféré",
    "message réexpédié",
    "inizio messaggio inoltrato",
    "inizio del messaggio inoltrato",
    "inicio del mensaje reenviado",
    "início da mensagem reencaminhada",
    "início da mensagem encaminhada",
    "mensagem original reencaminhada",
    "missatge reenviat",
    "begin doorgestuurd bericht",
    "doorgestuurde e-mail",
    "videresendt besked",
    "start på videresendt besked",
    "videresendt e-post",
    "vidarebefordrat brev",
    "vidarebefordrat mejl",
    "välitetty viesti alkaa",
    "edastatud sõnum",
    "edastatud e-kiri",
    "początek przekazanej wiadomości",
    "wiadomość przekazana dalej",
    "начало переадресованного сообщения",
    "пересланное сообщение",
    "переслане повідомлення",
    "přeposlaná zpráva",
    "továbbított üzenet",
    "iletilen ileti",
    "转发的邮件",
];

/// A field of the header block that Outlook writes above what it quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mail) enum Heading {
    From,
    Date,
    To,
    Subject,
    Cc,
}

/// Names of these fields.
pub(super) const HEADINGS: [(Heading, &[&str]); 5] = [
    (
        Heading::From,
        &[
            "from",
            "von",
            "de",
            "da",
            "van",
            "fra",
            "från",
            "od",
            "lähettäjä",
            "saatja",
            "от",
            "от кого",
            "відправник",
            "expéditeur",
            "mittente",
            "afzender",
            "nadawca",
            "absender",
            "gönderen",
            "kellelt",
        ],
    ),
    (
        Heading::Date,
        &[
            "sent",
            "date",
            "sent on",
            "gesendet",
            "gesendet am",
            "datum",
            "envoyé",
            "envoyé le",
            "enviado",
            "enviada",
            "enviado el",
            "enviado em",
            "enviada em",
            "fecha",
            "data",
            "inviato",
            "verzonden",
            "verzonden op",
            "sendt",
            "dato",
            "skickat",
            "skickat den",
            "lähetetty",
            "päivämäärä",
            "päiväys",
            "saadetud",
            "kuupäev",
            "wysłano",
            "wysłane",
            "дата",
            "отправлено",
            "message du",
            "data da mensagem",
        ],
    ),
    (
        Heading::To,
        &[
            "to",
            "an",
            "à",
            "a",
            "para",
            "aan",
            "til",
            "till",
            "do",
            "vastaanottaja",
            "adressaat",
            "kellele",
            "saaja",
            "кому",
            "destinataire",
            "per",
        ],
    ),
    (
        Heading::Subject,
        &[
            "subject",
            "betreff",
            "objet",
            "sujet",
            "asunto",
            "assunto",
            "oggetto",
            "onderwerp",
            "emne",
            "ämne",
            "temat",
            "aihe",
            "teema",
            "тема",
            "re",
        ],
    ),
    (Heading::Cc, &["cc", "kopie", "copie à", "copia", "cópia", "kopia", "kopi", "kopio", "koopia", "копия"]),
];

/// Begins of the line that a telephone puts under a mail.
pub(super) const SENT_FROM: [&str; 45] = [
    "sent from my ",
    "sent from mail for windows",
    "sent from outlook",
    "sent from yahoo mail",
    "sent from proton mail",
    "sent from protonmail",
    "sent from samsung mobile",
    "sent from gmail mobile",
    "sent from typeapp",
    "sent from bluemail",
    "sent from mailbird",
    "sent from spark",
    "sent from mobile",
    "sent from a mobile",
    "sent from an iphone",
    "sent via my ",
    "sent with sparrow",
    "sent with proton mail",
    "get outlook for ",
    "von meinem iphone gesendet",
    "von meinem ipad gesendet",
    "von meinem samsung",
    "von meinem handy gesendet",
    "gesendet von ",
    "gesendet mit ",
    "diese nachricht wurde von meinem",
    "enviado do meu ",
    "enviado a partir do ",
    "enviado de meu ",
    "enviado desde mi ",
    "enviado de mi ",
    "enviado desde ",
    "envoyé de mon ",
    "envoyé depuis mon ",
    "envoyé à partir de ",
    "envoyé depuis ",
    "inviato da ",
    "inviato dal mio ",
    "verzonden vanaf mijn ",
    "verstuurd vanaf mijn ",
    "sendt fra min ",
    "skickat från min ",
    "lähetetty ",
    "saadetud minu ",
    "wysłane z ",
];

/// The same in scripts and orders that need more room.
pub(super) const SENT_FROM_MORE: [&str; 8] = [
    "отправлено с ",
    "отправлено из ",
    "saadetud iphone",
    "saadetud ipad",
    "saadetud telefonist",
    "wysłano z ",
    "skickat från ",
    "sendt fra ",
];

/// Phrases above a name. An agent's stay: the customer shall see whom he hears from.
pub(super) const CLOSINGS: [&str; 44] = [
    "regards",
    "best regards",
    "kind regards",
    "warm regards",
    "with kind regards",
    "with best regards",
    "many thanks and regards",
    "thanks and regards",
    "thanks & regards",
    "best wishes",
    "sincerely",
    "yours sincerely",
    "yours faithfully",
    "cheers",
    "mit freundlichen grüßen",
    "mit freundlichen grüssen",
    "mit freundlichem gruß",
    "mit besten grüßen",
    "freundliche grüße",
    "viele grüße",
    "liebe grüße",
    "beste grüße",
    "atenciosamente",
    "cumprimentos",
    "com os melhores cumprimentos",
    "melhores cumprimentos",
    "lugupidamisega",
    "lugupidades",
    "parimate soovidega",
    "tervitades",
    "cordialement",
    "bien cordialement",
    "bien à vous",
    "saludos",
    "un saludo",
    "atentamente",
    "cordiali saluti",
    "distinti saluti",
    "met vriendelijke groet",
    "med vänlig hälsning",
    "med venlig hilsen",
    "ystävällisin terveisin",
    "z poważaniem",
    "с уважением",
];

/// With which two letters phrases begin: most lines are none of them, which this tells without a copy in lower case.
pub(super) struct Begins(Pairs);

impl Begins {
    /// Of phrases in lower case.
    pub(super) fn of(phrases: &[&str]) -> Self {
        Self(Pairs([0; 128])).and(phrases)
    }

    /// And of these.
    pub(super) fn and(mut self, phrases: &[&str]) -> Self {
        for phrase in phrases {
            if let [first, second, ..] = *phrase.as_bytes() {
                self.0.add(first, second);
            }
        }
        self
    }

    /// Whether one of the phrases may stand at the start of a text, in any case.
    pub(super) fn may_fit(&self, text: &str) -> bool {
        matches!(*text.as_bytes(), [first, second, ..] if self.0.may_hold(first, second))
    }
}

/// With which two letters phrases end.
pub(super) struct Ends(Pairs);

impl Ends {
    /// Of phrases in lower case.
    pub(super) fn of(phrases: &[&str]) -> Self {
        let mut pairs = Pairs([0; 128]);
        for phrase in phrases {
            if let [.., before, last] = *phrase.as_bytes() {
                pairs.add(before, last);
            }
        }
        Self(pairs)
    }

    /// Whether one of the phrases may stand at the end of a text, in any case.
    pub(super) fn may_fit(&self, text: &str) -> bool {
        matches!(*text.as_bytes(), [.., before, last] if self.0.may_hold(before, last))
    }
}

/// Pairs of letters.
struct Pairs([u128; 128]);

impl Pairs {
    /// Beyond ASCII any two letters may be one of the pairs.
    fn add(&mut self, one: u8, other: u8) {
        if let (0..=0x7f, 0..=0x7f) = (one, other) {
            self.0[usize::from(one)] |= 1 << other;
        }
    }

    fn may_hold(&self, one: u8, other: u8) -> bool {
        match (one, other) {
            (0..=0x7f, 0..=0x7f) => self.0[usize::from(one.to_ascii_lowercase())] & (1 << other.to_ascii_lowercase()) != 0,
            _ => true,
        }
    }
}
