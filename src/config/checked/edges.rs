//! Where mail comes from and goes to, and where the chat listens.

use super::{AllNames, Check, SECOND, YEAR};
use crate::config::fault::unknown;
use crate::config::read_text;
use crate::config::settings::{After, ChatSettings, ImapAccount, MailboxSettings, MailboxSource, Relay, SmtpAccount, Tls};
use crate::config::written::{Chat, Http, Imap, Mailbox as WrittenMailbox, Smtp, Words};
use crate::domain::policy::{ChatDesk, Mailbox};
use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where mail goes that is safe here, unless something else is written.
const PROCESSED: &str = "Processed";
/// Largest password, token or key, in octets (P11).
const SECRET_OCTETS_MAX: u64 = 64 << 10;
/// Largest file of authorities: as large as those of whole systems.
const CA_OCTETS_MAX: u64 = 4 << 20;
/// Least length of the key that signs visitors in, in octets: RFC 7518 section 3.2 wants that of the hash.
const IDENTITY_SECRET_OCTETS_MIN: usize = 32;

/// Nobody is served by a server that is asked more often, or by mail that waits longer.
const POLL_EVERY: std::ops::RangeInclusive<SignedDuration> = SignedDuration::from_millis(100)..=SignedDuration::from_hours(24);
const POLL_EVERY_ELSE: SignedDuration = SignedDuration::from_secs(60);
/// A mailbox that says nothing for so long is told of, unless something else is written.
const SILENT_AFTER_ELSE: SignedDuration = SignedDuration::from_mins(15);
/// How long IDLE lasts at most before it is begun anew.
const IDLE_TURN: SignedDuration = SignedDuration::from_mins(28);
const TIME_LIMIT: std::ops::RangeInclusive<SignedDuration> = SECOND..=SignedDuration::from_hours(1);
const TIME_LIMIT_ELSE: SignedDuration = SignedDuration::from_mins(5);
const CONNECTIONS_ELSE: u32 = 4;

impl Check<'_> {
    /// The mailboxes as decisions see them, and where their mail comes from.
    pub(super) fn mailboxes(
        &mut self,
        written: &[WrittenMailbox],
        trusted: Option<&Words>,
        names: &AllNames,
    ) -> (Vec<Mailbox>, Vec<MailboxSettings>) {
        let trusted = self.authserv_ids("desk.trusted_authserv_ids", trusted);
        if written.is_empty() {
            self.fault("mailbox", "no mailbox is there; add [[mailbox]] with a name, an address, and imap or maildir");
        }
        let (mut mailboxes, mut sources): (Vec<Mailbox>, Vec<MailboxSettings>) = (Vec::new(), Vec::new());
        for (at, mailbox) in written.iter().enumerate() {
            let path = |key: &str| format!("mailbox[{at}].{key}");
            let address = self
                .required(&path("address"), mailbox.address.as_ref(), "write the address that customers write to")
                .and_then(|text| self.address(&path("address"), text));
            if address.as_ref().is_some_and(|address| address.local().contains('+')) {
                self.fault(&path("address"), "has a '+', behind which the desk puts its own mark; write the address without it");
            }
            if let Some(other) = mailboxes.iter().find(|other| Some(&other.address) == address.as_ref()) {
                self.fault(&path("address"), format!("is that of mailbox '{}' already", other.name));
            }
            let team = self.team(&path("team"), mailbox.team.as_ref(), names);
            let source = self.source(&format!("mailbox[{at}]"), mailbox);
            if let Some(other) = source.as_ref().and_then(|source| sources.iter().find(|other| is_same(&other.source, source))) {
                let key = if mailbox.maildir.is_some() { "maildir" } else { "imap" };
                self.fault(&path(key), format!("is that of mailbox '{}' already: every mail would be taken in twice", other.name));
            }
            let (Some(address), Some(name)) = (address, mailbox.name.clone()) else { continue };
            let poll_every = match &source {
                Some(MailboxSource::Imap(account)) => account.poll_every,
                Some(MailboxSource::Maildir(_)) | None => Duration::ZERO,
            };
            let silent_after = self.silent_after(&path("silent_after"), mailbox.silent_after.as_ref(), poll_every);
            let own = mailbox.trusted_authserv_ids.as_ref();
            let trusted_authserv_ids =
                own.map_or_else(|| trusted.clone(), |own| self.authserv_ids(&path("trusted_authserv_ids"), Some(own)));
            let check = self.sender_check(path, mailbox);
            let lists = self.lists(&path("lists"), mailbox.lists.as_ref());
            mailboxes.push(Mailbox {
                name: name.clone(),
                address: address.clone(),
                team,
                silent_after,
                trusted_authserv_ids,
                check,
                lists,
            });
            sources.extend(source.map(|source| MailboxSettings { name, address, source }));
        }
        (mailboxes, sources)
    }

    /// Names of mail servers, in lower case, as they stand in Authentication-Results (RFC 8601 section 2.5).
    fn authserv_ids(&mut self, path: &str, written: Option<&Words>) -> Vec<String> {
        const IDS_MAX: usize = 50;
        let ids = written.map(|words| words.0.as_slice()).unwrap_or_default();
        for id in ids {
            if id.is_empty() || !id.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b)) {
                let shown: String = id.chars().take(60).collect();
                self.fault(
                    path,
                    format!(
                        "'{}' is no name of a mail server; write what stands before the first ';' there, such as mx.acme.example",
                        shown.escape_debug()
                    ),
                );
            }
        }
        if ids.len() > IDS_MAX {
            self.fault(path, format!("has {} names; at most {IDS_MAX} can be", ids.len()));
        }
        ids.iter().map(|id| id.to_ascii_lowercase()).collect()
    }

    /// List-Ids, in lower case (RFC 2919 section 3).
    fn lists(&mut self, path: &str, written: Option<&Words>) -> Vec<String> {
        const LISTS_MAX: usize = 50;
        let ids = written.map(|words| words.0.as_slice()).unwrap_or_default();
        for id in ids {
            let label =
                |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b));
            if id.len() > 255 || !id.contains('.') || !id.split('.').all(label) {
                let shown: String = id.chars().take(60).collect();
                let right = "write what stands between < and > in its List-Id, such as support.acme.example";
                self.fault(path, format!("'{}' is no List-Id; {right}", shown.escape_debug()));
            }
        }
        if ids.len() > LISTS_MAX {
            self.fault(path, format!("has {} lists; at most {LISTS_MAX} can be", ids.len()));
        }
        ids.iter().map(|id| id.to_ascii_lowercase()).collect()
    }

    /// The team of a mailbox or of the chat: the one that is named, else the only one there is.
    fn team(&mut self, path: &str, written: Option<&String>, names: &AllNames) -> String {
        match (written, names.only_team()) {
            (Some(team), _) => {
                self.refers(path, "team", team, &names.teams);
                team.clone()
            }
            (None, Some(only)) => only.clone(),
            (None, None) => {
                if !names.teams.is_empty() {
                    let known: Vec<&str> = names.teams.iter().map(String::as_str).collect();
                    self.fault(path, format!("is missing; write the team that its mail goes to, one of: {}", known.join(", ")));
                }
                String::new()
            }
        }
    }

    fn source(&mut self, path: &str, mailbox: &WrittenMailbox) -> Option<MailboxSource> {
        match (&mailbox.imap, &mailbox.maildir) {
            (Some(_), Some(_)) => {
                self.fault(&format!("{path}.maildir"), "stands beside imap; a mailbox has one of the two");
                None
            }
            (None, None) => {
                if !["imap", "maildir"].iter().any(|key| self.places.is_marked(&format!("{path}.{key}"))) {
                    self.fault(path, "has neither imap nor maildir; write imap = { host = …, user = …, password_file = … }");
                }
                None
            }
            (None, Some(maildir)) => {
                let idle = [("folder", &mailbox.folder), ("after", &mailbox.after), ("poll_every", &mailbox.poll_every)];
                for (key, _) in idle.iter().filter(|(_, value)| value.is_some()) {
                    self.fault(&format!("{path}.{key}"), "belongs to imap; a maildir has no use for it");
                }
                Some(MailboxSource::Maildir(self.path(maildir)))
            }
            (Some(imap), None) => self.imap(path, mailbox, imap).map(MailboxSource::Imap),
        }
    }

    fn imap(&mut self, path: &str, mailbox: &WrittenMailbox, imap: &Imap) -> Option<ImapAccount> {
        let key = |key: &str| format!("{path}.imap.{key}");
        let host = self.required(&key("host"), imap.host.as_ref(), "write the name of the IMAP server").map(str::to_owned);
        let tls = self.tls(&key("tls"), imap.tls.as_deref(), Tls::Implicit, host.as_deref());
        if let Some(host) = &host {
            self.host(&key("host"), host);
        }
        let port = self.port(&key("port"), imap.port, if tls == Tls::Implicit { 993 } else { 143 });
        let ca_file = self.ca_file(&key("ca_file"), imap.ca_file.as_deref());
        let user = self.required(&key("user"), imap.user.as_ref(), "write the name of the mailbox").map(str::to_owned);
        if let Some(user) = &user {
            self.no_control(&key("user"), user);
        }
        let sign_in = self.sign_in(&format!("{path}.imap"), imap, user.as_deref());
        let folder = mailbox.folder.clone().unwrap_or_else(|| "INBOX".to_owned());
        if wrong_folder(&folder) {
            self.fault(&format!("{path}.folder"), "is no name of a folder; write one such as INBOX");
        }
        let after = self.after(&format!("{path}.after"), mailbox.after.as_deref(), &folder);
        let poll_every = self.duration(&format!("{path}.poll_every"), mailbox.poll_every.as_ref(), POLL_EVERY).unwrap_or(POLL_EVERY_ELSE);
        Some(ImapAccount {
            host: host?,
            port,
            tls,
            ca_file,
            user: user?,
            sign_in: sign_in?,
            folder,
            after,
            poll_every: poll_every.unsigned_abs(),
        })
    }

    /// A mailbox gives an answer whenever it is asked, and with IDLE at least every 28 minutes. What is silent for less than two such
    /// turns may be well.
    fn silent_after(&mut self, path: &str, written: Option<&String>, poll_every: Duration) -> Option<SignedDuration> {
        let turn = SignedDuration::try_from(poll_every).unwrap_or(IDLE_TURN).min(IDLE_TURN);
        match written.map(|text| text.trim()) {
            Some("never") => None,
            Some(_) => {
                let length = self.duration(path, written, SECOND..=YEAR)?;
                if length < turn * 2 {
                    let right = super::in_words(turn * 2);
                    self.fault(
                        path,
                        format!("is too short for a mailbox that is asked every {}; the least is {right}", super::in_words(turn)),
                    );
                }
                Some(length)
            }
            None => Some(SILENT_AFTER_ELSE.max(turn * 2)),
        }
    }

    fn after(&mut self, path: &str, written: Option<&str>, folder: &str) -> After {
        match written {
            None if is_same_folder(PROCESSED, folder) => After::Flag,
            None => After::Move(PROCESSED.to_owned()),
            Some("flag") => After::Flag,
            Some("keep") => After::Keep,
            Some("delete") => After::Delete,
            Some(text) => match text.strip_prefix("move:").map(str::trim) {
                Some(target) if wrong_folder(target) => {
                    self.fault(path, "names no folder; write one behind it, such as move:Processed");
                    After::Flag
                }
                Some(target) if is_same_folder(target, folder) => {
                    self.fault(path, format!("moves mail into '{target}', the folder that it is taken from; write another"));
                    After::Flag
                }
                Some(target) => After::Move(target.to_owned()),
                None => {
                    self.fault(path, unknown("action", text, ["move:FOLDER", "flag", "keep", "delete"]));
                    After::Flag
                }
            },
        }
    }

    /// Where outgoing mail goes.
    pub(super) fn relay(&mut self, written: Option<&Smtp>, mailboxes: &[Mailbox], sources: &[MailboxSettings]) -> Option<Relay> {
        let Some(smtp) = written else {
            self.fault("smtp", "is missing; add [smtp] with the host that takes outgoing mail, or with a maildir to write it to");
            return None;
        };
        match (&smtp.host, &smtp.maildir) {
            (Some(_), Some(_)) => {
                self.fault("smtp.maildir", "stands beside host; mail goes out by one of the two");
                None
            }
            (None, None) => {
                if !["host", "maildir"].iter().any(|key| self.places.is_marked(&format!("smtp.{key}"))) {
                    self.fault("smtp", "has neither host nor maildir; write the host that takes outgoing mail");
                }
                None
            }
            (None, Some(maildir)) => {
                let maildir = self.path(maildir);
                if let Some(mailbox) = sources.iter().find(|mailbox| is_same(&mailbox.source, &MailboxSource::Maildir(maildir.clone()))) {
                    self.fault("smtp.maildir", format!("is that of mailbox '{}': the desk would take in its own mail", mailbox.name));
                }
                Some(Relay::Maildir(maildir))
            }
            (Some(host), None) => Some(Relay::Smtp(self.smtp(smtp, host, mailboxes))),
        }
    }

    fn smtp(&mut self, smtp: &Smtp, host: &str, mailboxes: &[Mailbox]) -> SmtpAccount {
        let key = |key: &str| format!("smtp.{key}");
        self.host(&key("host"), host);
        let tls = self.tls(&key("tls"), smtp.tls.as_deref(), Tls::StartTls, Some(host));
        let port = match tls {
            Tls::Implicit => 465,
            Tls::StartTls => 587,
            Tls::None => 25,
        };
        let port = self.port(&key("port"), smtp.port, port);
        let ca_file = self.ca_file(&key("ca_file"), smtp.ca_file.as_deref());
        let has_password = smtp.password.is_some() || smtp.password_file.is_some();
        let credentials = match &smtp.user {
            Some(_) if smtp.password.is_some() && smtp.password_file.is_some() => {
                self.fault(&key("user"), "has both password and password_file; leave one");
                None
            }
            Some(user) if has_password => self
                .password(&key("password_file"), smtp.password.as_ref(), smtp.password_file.as_deref())
                .map(|password| (user.clone(), password)),
            Some(_) => {
                if !["password", "password_file"].iter().any(|way| self.places.is_marked(&key(way))) {
                    self.fault(&key("user"), "has no password; add password_file beside it");
                }
                None
            }
            None => {
                if has_password {
                    let way = if smtp.password.is_some() { "password" } else { "password_file" };
                    self.fault(&key(way), "stands without user; add the name that signs in");
                }
                None
            }
        };
        // A name of our own domain: relays look at it, and the machine's name is often none.
        let hello = smtp.hello.clone().or_else(|| mailboxes.first().map(|mailbox| mailbox.address.domain().to_owned()));
        let hello = hello.unwrap_or_else(|| "localhost".to_owned());
        self.host(&key("hello"), &hello);
        let connections = self.number(&key("connections"), Some(u64::from(smtp.connections.unwrap_or(CONNECTIONS_ELSE))), 1..=100);
        let time_limit = self.duration(&key("time_limit"), smtp.time_limit.as_ref(), TIME_LIMIT).unwrap_or(TIME_LIMIT_ELSE);
        SmtpAccount {
            host: host.to_owned(),
            port,
            tls,
            ca_file,
            credentials,
            hello,
            connections_max: usize::try_from(connections).unwrap_or(1),
            time_limit: Duration::try_from(time_limit).unwrap_or_default(),
        }
    }

    /// Where health and metrics are served by themselves.
    pub(super) fn http(&mut self, http: &Http, chat: Option<&Chat>) -> Option<SocketAddr> {
        let listen = self.listen("http.listen", http.listen.as_ref(), 9090)?;
        let of_chat = chat.and_then(|chat| chat.listen.as_ref()?.trim().parse::<SocketAddr>().ok());
        if of_chat == Some(listen) && listen.port() != 0 {
            self.fault("http.listen", "is chat.listen, where health and metrics are served already; leave this section out");
        }
        Some(listen)
    }

    fn listen(&mut self, path: &str, written: Option<&String>, port: u16) -> Option<SocketAddr> {
        let text = self.required(path, written, &format!("write an address and a port, such as 127.0.0.1:{port}"))?;
        let wrong = || format!("'{text}' is no address with a port; write one such as 127.0.0.1:{port} or [::1]:{port}");
        text.parse().map_err(|_| self.fault(path, wrong())).ok()
    }

    pub(super) fn chat(&mut self, chat: &Chat, mailboxes: &[Mailbox], names: &AllNames) -> Option<(ChatDesk, ChatSettings)> {
        let listen = self.listen("chat.listen", chat.listen.as_ref(), 8080);
        let mut origins = Vec::new();
        for origin in chat.origins.as_ref().map(|words| words.0.as_slice()).unwrap_or_default() {
            match origin_of(origin) {
                Some(origin) => origins.push(origin),
                None => {
                    self.fault("chat.origins", format!("'{origin}' is no origin; write scheme and host, such as https://www.acme.example"));
                }
            }
        }
        let identity_secret = chat.identity_secret_file.as_ref().and_then(|file| {
            let secret = self.secret("chat.identity_secret_file", &self.secret_path(file))?;
            let octets = secret.expose_secret().len();
            if octets < IDENTITY_SECRET_OCTETS_MIN {
                let right = format!("HS256 wants {IDENTITY_SECRET_OCTETS_MIN} at least (RFC 7518 section 3.2)");
                self.fault("chat.identity_secret_file", format!("holds a key of {octets} octets; {right}"));
            }
            Some(secret)
        });
        let team = self.team("chat.team", chat.team.as_ref(), names);
        let mailbox = match &chat.mailbox {
            Some(mailbox) => {
                self.refers("chat.mailbox", "mailbox", mailbox, &names.mailboxes);
                mailbox.clone()
            }
            None => mailboxes.first().map(|mailbox| mailbox.name.clone()).unwrap_or_default(),
        };
        Some((ChatDesk { team, mailbox }, ChatSettings { listen: listen?, origins, identity_secret }))
    }

    fn tls(&mut self, path: &str, written: Option<&str>, otherwise: Tls, host: Option<&str>) -> Tls {
        let tls = match written {
            None => otherwise,
            Some("implicit") => Tls::Implicit,
            Some("starttls") => Tls::StartTls,
            Some("none") => Tls::None,
            Some(word) => {
                self.fault(path, unknown("protection", word, ["implicit", "starttls", "none"]));
                otherwise
            }
        };
        if let (Tls::None, Some(host)) = (tls, host)
            && !is_loopback(host)
        {
            self.fault(path, format!("is none, but '{host}' is another machine; write implicit or starttls"));
        }
        tls
    }

    fn host(&mut self, path: &str, host: &str) {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_name = idna::domain_to_ascii_strict(host.trim_end_matches('.')).is_ok_and(|name| !name.is_empty());
        if bare.parse::<IpAddr>().is_err() && !is_name {
            self.fault(path, format!("'{host}' is no name of a host; write it without scheme, port or path"));
        }
    }

    fn port(&mut self, path: &str, written: Option<u16>, otherwise: u16) -> u16 {
        if written == Some(0) {
            self.fault(path, format!("is 0; leave it out for {otherwise}, or write a number from 1 to 65535"));
        }
        written.unwrap_or(otherwise)
    }

    pub(super) fn ca_file(&mut self, path: &str, written: Option<&str>) -> Option<PathBuf> {
        let file = self.path(written?);
        match read_text(&file, CA_OCTETS_MAX) {
            Ok(text) if !text.contains("-----BEGIN CERTIFICATE-----") => {
                self.fault(path, format!("{} has no certificate; write a PEM file", file.display()));
            }
            Ok(_) => {}
            Err(wrong) => self.fault(path, format!("{} {wrong}", file.display())),
        }
        Some(file)
    }

    pub(super) fn password(&mut self, path: &str, written: Option<&SecretString>, file: Option<&str>) -> Option<SecretString> {
        match (written, file) {
            (Some(password), _) => Some(password.clone()),
            (None, Some(file)) => {
                let file = self.secret_path(file);
                self.secret(path, &file)
            }
            (None, None) => None,
        }
    }

    /// A relative name is looked for among the service's credentials (systemd.exec(5), `LoadCredential=`), then beside the
    /// configuration.
    pub(super) fn secret_path(&self, name: &str) -> PathBuf {
        self.credentials_dir.map(|dir| dir.join(name)).filter(|file| file.exists()).unwrap_or_else(|| self.path(name))
    }

    /// The first line's worth of a file: editors end files with a line break that is no part of a password.
    pub(super) fn secret(&mut self, path: &str, file: &std::path::Path) -> Option<SecretString> {
        match read_text(file, SECRET_OCTETS_MAX) {
            Ok(text) => {
                let secret = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
                if secret.is_empty() {
                    self.fault(path, format!("{} is empty", file.display()));
                    return None;
                }
                Some(SecretString::from(secret.to_owned()))
            }
            Err(wrong) => {
                self.fault(path, format!("{} {wrong}", file.display()));
                None
            }
        }
    }
}

/// Whether a connection to this host stays on this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether both mean the same place.
fn is_same(one: &MailboxSource, other: &MailboxSource) -> bool {
    match (one, other) {
        (MailboxSource::Maildir(one), MailboxSource::Maildir(other)) => {
            let plain = |path: &PathBuf| path.components().collect::<PathBuf>();
            plain(one) == plain(other)
        }
        (MailboxSource::Imap(one), MailboxSource::Imap(other)) => {
            one.host.eq_ignore_ascii_case(&other.host)
                && one.port == other.port
                && one.user == other.user
                && is_same_folder(&one.folder, &other.folder)
        }
        (MailboxSource::Maildir(_), MailboxSource::Imap(_)) | (MailboxSource::Imap(_), MailboxSource::Maildir(_)) => false,
    }
}

/// RFC 9051 section 5.1: INBOX means the same in any case, other names do not.
fn is_same_folder(one: &str, other: &str) -> bool {
    one == other || (one.eq_ignore_ascii_case("INBOX") && other.eq_ignore_ascii_case("INBOX"))
}

fn wrong_folder(name: &str) -> bool {
    name.trim().is_empty() || name.chars().any(char::is_control) || name.contains(['*', '%'])
}

/// The origin of a page as browsers send it (RFC 6454 section 6.2): scheme, host, and the port if it is not the usual one.
fn origin_of(text: &str) -> Option<String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (scheme, host) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port.parse::<u16>().ok()?)),
        Some(_) | None => (host, None),
    };
    let is_address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).is_some_and(|name| name.parse::<IpAddr>().is_ok());
    let name =
        if is_address { name.to_ascii_lowercase() } else { idna::domain_to_ascii_strict(name).ok().filter(|name| !name.is_empty())? };
    let port = port.filter(|port| *port != usual).map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{name}{port}"))
}
