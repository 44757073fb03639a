//! Wrong configurations: each is the least that works with one stretch exchanged (or, if none is named, with something
//! added), and has all its faults behind it.

use super::{LEAST, load_text};
use std::path::Path;

type Case = (&'static str, &'static str, &'static [&'static str], &'static str);

#[test]
fn p12_each_fault_has_its_line_key_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("Cargo.toml", "no certificate"),
        ("short.key", "x"),
        ("bad.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261225T100000Z\nEND:VEVENT\nEND:VCALENDAR\n"),
    ] {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    for (from, to, expect, why) in CASES {
        let text = if from.is_empty() { format!("{LEAST}{to}\n") } else { LEAST.replacen(from, to, 1) };
        assert_ne!(text, LEAST, "{why}: the case changes something");
        assert_eq!(faults(&text, dir.path()), *expect, "{why}:\n{text}");
    }
}

/// The faults without the file's name and with `DIR` for the directory.
fn faults(text: &str, dir: &Path) -> Vec<String> {
    let faults = load_text("g.toml", text, dir).err().unwrap_or_default();
    let plain = |fault: String| fault.replace(&dir.display().to_string(), "DIR");
    faults.iter().map(|fault| plain(fault.to_string())).map(|fault| fault.strip_prefix("g.toml:").unwrap_or(&fault).to_owned()).collect()
}

/// What is exchanged, for what, the faults, the reason.
#[rustfmt::skip]
const CASES: &[Case] = &[
    ("state_dir = 'state'", "", &["1: desk.state_dir: is missing; write where tickets are kept, such as state_dir = \"/var/lib/guichet\""], "without a place for tickets"),
    ("state_dir = 'state'", "state_dir = ''", &["2: desk.state_dir: is empty; write where tickets are kept, such as state_dir = \"/var/lib/guichet\""], "empty"),
    ("state_dir = 'state'", "state_dri = 'state'", &["2: desk.state_dri: unknown key; did you mean 'state_dir'?"], "mistyped: told once"),
    ("state_dir = 'state'", "state_dir = 5", &["2: desk.state_dir: is the number 5, but has to be a text in quotes"], "wrong type"),
    ("state_dir = 'state'", "state_dir = 'Cargo.toml'", &["2: desk.state_dir: DIR/Cargo.toml is no directory"], "a file where a directory has to be"),
    ("[desk]\n", "[desk]\nlanguages = ['en', 'fr', 'english', 'en']\n", &["2: desk.languages: 'english' is no language; write two letters such as en, pt or et (ISO 639-1)", "2: desk.languages: has 'en' twice", "2: desk.languages: there are no texts in 'fr'; built in are en, et and pt, others go into the directory of desk.templates"], "three faults of one key"),
    ("[desk]\n", "[desk]\nlanguages = ['en', 'fr']\n", &["2: desk.languages: there are no texts in 'fr'; built in are en, et and pt, others go into the directory of desk.templates"], "no texts"),
    ("[desk]\n", "[desk]\nlanguages = []\n", &["2: desk.languages: is empty; write at least one, such as [\"en\"]"], "none"),
    ("[desk]\n", "[desk]\nclose_solved_after = '7 days'\n", &["2: desk.close_solved_after: '7 days' is no length of time; write 90s, 15m, 4h, 1h30m or 2d"], "unit"),
    ("[desk]\n", "[desk]\nreview_after = '24'\n", &["2: desk.review_after: '24' has no unit; write 24s, 24m, 24h or 24d"], "no unit"),
    ("[desk]\n", "[desk]\nclose_solved_after = '500d'\n", &["2: desk.close_solved_after: is too long; the most is 366d"], "too long"),
    ("[desk]\n", "[desk]\nfirst_number = 0\n", &["2: desk.first_number: is 0; it has to be from 1 to 1000000000"], "bounds"),
    ("[desk]\n", "[desk]\nacks_per_hour_max = -1\n", &["2: desk.acks_per_hour_max: is the number -1, but has to be a whole number from 0 to 4294967295"], "negative"),
    ("[desk]\n", "[desk]\ncustomers = 'none.csv'\n", &["2: desk.customers: DIR/none.csv cannot be read: No such file or directory (os error 2)"], "no such file"),
    ("[desk]\n", "[desk]\ntemplates = 'none'\n", &["2: desk.templates: DIR/none cannot be read: No such file or directory (os error 2)"], "no such directory"),
    ("[desk]\n", "[desk]\nops = ['ops', 'support@acme.example', 'a@b.example', 'a@b.example']\n", &["2: desk.ops: 'ops' is not of the form name@domain; write name@domain alone", "2: desk.ops: 'support@acme.example' is the address of a mailbox: the desk would write to itself", "2: desk.ops: has 'a@b.example' twice"], "nobody to write to"),
    ("[desk]\n", "[desk]\ndigest_at = '8:00'\n", &["2: desk.digest_at: '8:00' is no time of the day; write one such as 08:00"], "form"),
    ("[desk]\n", "[desk]\ndigest_at = '24:00'\n", &["2: desk.digest_at: '24:00' is no time of the day; write one such as 08:00"], "no such time"),
    ("[desk]\n", "[desk]\ntrusted_authserv_ids = ['mx.acme.example', 'mx acme', 'm\u{fc}x']\n", &["2: desk.trusted_authserv_ids: 'mx acme' is no name of a mail server; write what stands before the first ';' there, such as mx.acme.example", "2: desk.trusted_authserv_ids: 'm\u{fc}x' is no name of a mail server; write what stands before the first ';' there, such as mx.acme.example"], "no names"),
    ("[desk]\n", "[desk]\nagents_must_authenticate = true\n", &["2: desk.agents_must_authenticate: no agent could answer through mailbox 'support', which has no trusted_authserv_ids; write the name of the mail server that takes its mail in, or leave this out"], "nobody could be believed"),
    ("[desk]\n", "[desk]\nacks_per_hour_desk_max = 1000001\n", &["2: desk.acks_per_hour_desk_max: is 1000001; it has to be from 0 to 1000000"], "bounds"),
    ("maildir = 'in'", "maildir = 'in'\nlists = ['Support <a.b>', 'x', 'a.b']", &["7: mailbox.lists: 'Support <a.b>' is no List-Id; write what stands between < and > in its List-Id, such as support.acme.example", "7: mailbox.lists: 'x' is no List-Id; write what stands between < and > in its List-Id, such as support.acme.example"], "a phrase beside it, no domain"),
    ("maildir = 'in'", "maildir = 'in'\nsilent_after = '15'", &["7: mailbox.silent_after: '15' has no unit; write 15s, 15m, 15h or 15d"], "no unit"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', password = 'b' }\npoll_every = '10m'\nsilent_after = '15m'", &["8: mailbox.silent_after: is too short for a mailbox that is asked every 10m; the least is 20m"], "it would be told of while all is well"),
    ("", "[http]\nlisten = '9090'", &["16: http.listen: '9090' is no address with a port; write one such as 127.0.0.1:9090 or [::1]:9090"], "no address"),
    ("", "[http]", &["15: http.listen: is missing; write an address and a port, such as 127.0.0.1:9090"], "for nothing"),
    ("", "[http]\nlisten = '127.0.0.1:80'\n[chat]\nlisten = '127.0.0.1:80'", &["16: http.listen: is chat.listen, where health and metrics are served already; leave this section out"], "twice"),
    ("[desk]\n", "[desk]\nname = \"a\\nb\"\n", &["2: desk.name: has to be one line of at most 60 characters"], "line break in the sender's name"),
    ("name = 'support'\naddress = 'support@acme.example'\nmaildir = 'in'", "", &["3: mailbox: has neither imap nor maildir; write imap = { host = …, user = …, password_file = … }", "3: mailbox.address: is missing; write the address that customers write to", "3: mailbox.name: is missing; a mailbox needs a name"], "an empty mailbox"),
    ("[[mailbox]]\n", "[mailbox]\n", &["3: mailbox: is a table, but has to be a list; each of its tables begins with a header in two pairs of brackets, such as [[team]]"], "one pair of brackets"),
    ("[[mailbox]]\nname = 'support'\naddress = 'support@acme.example'\nmaildir = 'in'\n", "", &["1: mailbox: no mailbox is there; add [[mailbox]] with a name, an address, and imap or maildir"], "no mailbox"),
    ("support@acme.example", "support", &["5: mailbox.address: 'support' is not of the form name@domain; write name@domain alone"], "no address"),
    ("support@acme.example", "support+x@acme.example", &["5: mailbox.address: has a '+', behind which the desk puts its own mark; write the address without it"], "a plus"),
    ("maildir = 'in'", "maildir = 'in'\nimap = { host = 'localhost', user = 'a', password = 'b' }", &["6: mailbox.maildir: stands beside imap; a mailbox has one of the two"], "both"),
    ("maildir = 'in'", "", &["3: mailbox: has neither imap nor maildir; write imap = { host = …, user = …, password_file = … }"], "neither"),
    ("maildir = 'in'", "maildir = 'in'\nafter = 'flag'", &["7: mailbox.after: belongs to imap; a maildir has no use for it"], "key of the other kind"),
    ("maildir = 'in'", "maildir = './out'", &["8: smtp.maildir: is that of mailbox 'support': the desk would take in its own mail"], "its own mail"),
    ("maildir = 'in'", "maildir = 'in'\nteam = 'frontlin'", &["7: mailbox.team: unknown team 'frontlin'; did you mean 'frontline'? known are: frontline"], "unknown team"),
    ("maildir = 'in'", "maildir = 'in'\n[[mailbox]]\nname = 'support'\naddress = 'support@acme.example'\nmaildir = 'in'", &["8: mailbox.name: there is another mailbox 'support' already; each needs a name of its own", "9: mailbox.address: is that of mailbox 'support' already", "10: mailbox.maildir: is that of mailbox 'support' already: every mail would be taken in twice"], "the same again: three faults"),
    ("maildir = 'in'", "imap = { host = 'imap.acme.example', tls = 'none', user = 'a', password = 'b' }", &["6: mailbox.imap.tls: is none, but 'imap.acme.example' is another machine; write implicit or starttls"], "plain over the network"),
    ("maildir = 'in'", "imap = { host = 'imap.acme.example', tls = 'ssl', user = 'a', password = 'b' }", &["6: mailbox.imap.tls: unknown protection 'ssl'; known are: implicit, starttls, none"], "unknown word"),
    ("maildir = 'in'", "imap = { host = 'imap.acme.example', user = 'a' }", &["6: mailbox.imap.user: has no password; add password_file beside it (or for tokens: token_file, token_command or oauth)"], "user without password"),
    ("maildir = 'in'", "imap = { host = 'imap.acme.example', user = 'a', password = 'b', password_file = 'c' }", &["6: mailbox.imap.user: has more than one of password, password_file, token_file, token_command, oauth; leave one"], "two passwords"),
    ("maildir = 'in'", "imap = { host = 'imap.acme.example', user = 'a', password_file = 'none' }", &["6: mailbox.imap.password_file: DIR/none cannot be read: No such file or directory (os error 2)"], "no such file"),
    ("maildir = 'in'", "imap = { host = 'imap.acme.example', user = 'a', password = 1234 }", &["6: mailbox.imap.password: has to be a text in quotes"], "a password is not repeated"),
    ("maildir = 'in'", "imap = { hots = 'imap.acme.example', user = 'a', password = 'b' }", &["6: mailbox.imap.hots: unknown key; did you mean 'host'?"], "mistyped: told once"),
    ("maildir = 'in'", "imap = { host = 'imaps://acme.example/', user = 'a', password = 'b' }", &["6: mailbox.imap.host: 'imaps://acme.example/' is no name of a host; write it without scheme, port or path"], "no host"),
    ("maildir = 'in'", "imap = { host = 'acme.example', port = 99300, user = 'a', password = 'b' }", &["6: mailbox.imap.port: is the number 99300, but has to be a whole number from 0 to 65535"], "no port"),
    ("maildir = 'in'", "imap = { host = 'acme.example', port = '993', user = 'a', password = 'b' }", &["6: mailbox.imap.port: is the text \"993\", but has to be a whole number from 0 to 65535"], "a text for a number"),
    ("maildir = 'in'", "imap = 'acme.example'", &["6: mailbox.imap: is the text \"acme.example\", but has to be a table"], "a text for a table: told once"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', password = 'b' }\nafter = 'move:inbox'", &["7: mailbox.after: moves mail into 'inbox', the folder that it is taken from; write another"], "into itself"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', password = 'b' }\nafter = 'move'", &["7: mailbox.after: unknown action 'move'; known are: move:FOLDER, flag, keep, delete"], "nowhere"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', password = 'b' }\npoll_every = '1ms'", &["7: mailbox.poll_every: is too short; the least is 100ms"], "too often"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', password = 'b', ca_file = 'Cargo.toml' }", &["6: mailbox.imap.ca_file: DIR/Cargo.toml has no certificate; write a PEM file"], "no authorities"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', token_command = 'get token' }", &["6: mailbox.imap.token_command: is one text with blanks in it, and there is no shell; write a list, such as [\"/usr/bin/token\", \"support\"]"], "as for a shell"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', token_command = [] }", &["6: mailbox.imap.token_command: names no program; write a list, such as [\"/usr/bin/token\", \"support\"]"], "no program"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', token_command = ['./none'] }", &["6: mailbox.imap.token_command: DIR/./none is no file; write the path of a program"], "no such program"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', token_command = ['x'], sign_in_as = 'b' }", &["6: mailbox.imap.sign_in_as: belongs to a password; a token says itself whose it is, and user is the mailbox that it opens"], "a token has an owner"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', password = 'b', sign_in_as = ' ' }", &["6: mailbox.imap.sign_in_as: is empty; write whose password it is, or leave it out if it is that of user"], "nobody"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = \"a\\u0001auth\", password = 'b' }", &["6: mailbox.imap.user: has a line break or another control character in it; write it without"], "what would end the name on the wire"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', oauth = {} }", &["6: mailbox.imap.oauth.client_id: is missing; write the name that the provider gave this program", "6: mailbox.imap.oauth.refresh_token_file: is missing; write the file that holds the refresh token, or grant = \"client_credentials\"", "6: mailbox.imap.oauth.token_url: is missing; write where tokens are asked for, such as https://login.example/oauth2/token"], "an empty table"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', oauth = { token_url = 'http://login.example/t', client_id = 'c', refresh_token_file = 'short.key' } }", &["6: mailbox.imap.oauth.token_url: is http, but 'login.example' is another machine, and secrets go there; write https"], "secrets in the clear"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', oauth = { token_url = 'https://login.example/t', client_id = 'c', grant = 'client_credentials', refresh_token_file = 'short.key' } }", &["6: mailbox.imap.oauth.client_secret_file: is missing; grant = \"client_credentials\" needs it", "6: mailbox.imap.oauth.refresh_token_file: has no use with grant = \"client_credentials\"; leave one of the two out"], "what the grant needs, and what it does not"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', oauth = { token_url = 'https://login.example/t', client_id = 'c', client_auth = 'header', grant = 'password' } }", &["6: mailbox.imap.oauth.client_auth: unknown way 'header'; known are: body, basic", "6: mailbox.imap.oauth.grant: unknown grant 'password'; known are: refresh_token, client_credentials"], "unknown words"),
    ("maildir = 'in'", "imap = { host = 'localhost', user = 'a', oauth = { token_url = 'https://login.example/t', client_id = 'c', client_auth = 'basic', refresh_token_file = 'none' } }", &["6: mailbox.imap.oauth.client_auth: is basic, which needs a secret; add client_secret_file", "6: mailbox.imap.oauth.refresh_token_file: DIR/none cannot be read: No such file or directory (os error 2)"], "no secret, no file"),
    ("", "[limits]\nimap_connections_per_host_max = 0", &["16: limits.imap_connections_per_host_max: is 0; it has to be from 1 to 10000"], "no connection at all"),
    ("maildir = 'out'", "", &["7: smtp: has neither host nor maildir; write the host that takes outgoing mail"], "no way out"),
    ("[smtp]\nmaildir = 'out'\n", "", &["1: smtp: has neither host nor maildir; write the host that takes outgoing mail"], "no way out, no section"),
    ("maildir = 'out'", "maildir = 'out'\nhost = 'localhost'", &["8: smtp.maildir: stands beside host; mail goes out by one of the two"], "two ways out"),
    ("maildir = 'out'", "host = 'mx.acme.example'\ntls = 'none'", &["9: smtp.tls: is none, but 'mx.acme.example' is another machine; write implicit or starttls"], "plain over the network"),
    ("maildir = 'out'", "host = 'mx.acme.example'\nuser = 'a'", &["9: smtp.user: has no password; add password_file beside it"], "user without password"),
    ("maildir = 'out'", "host = 'mx.acme.example'\npassword = 'a'", &["9: smtp.password: stands without user; add the name that signs in"], "password without user"),
    ("maildir = 'out'", "host = 'localhost'\nconnections = 0", &["9: smtp.connections: is 0; it has to be from 1 to 100"], "bounds"),
    ("maildir = 'out'", "host = 'localhost'\nhello = 'a b'", &["9: smtp.hello: 'a b' is no name of a host; write it without scheme, port or path"], "no name"),
    ("maildir = 'out'", "host = 'localhost'\nport = 25\nport = 26", &["10: smtp.port: duplicate key"], "twice"),
    ("[smtp]\nmaildir = 'out'\n", "[smpt]\nmaildir = 'out'\n", &["7: smpt: unknown key; did you mean 'smtp'?"], "unknown section"),
    ("", "[chat]\nlisten = 'localhost'", &["16: chat.listen: 'localhost' is no address with a port; write one such as 127.0.0.1:8080 or [::1]:8080"], "no port"),
    ("", "[chat]\nlisten = '127.0.0.1:0'\norigins = ['https://a.example', 'www.acme.example']", &["17: chat.origins: 'www.acme.example' is no origin; write scheme and host, such as https://www.acme.example"], "no scheme"),
    ("", "[chat]\nlisten = '127.0.0.1:0'\norigins = 'https://a.example/page'", &["17: chat.origins: 'https://a.example/page' is no origin; write scheme and host, such as https://www.acme.example"], "a page"),
    ("", "[chat]\nlisten = '127.0.0.1:0'\nmailbox = 'suport'", &["17: chat.mailbox: unknown mailbox 'suport'; did you mean 'support'? known are: support"], "unknown mailbox"),
    ("", "[chat]\nlisten = '127.0.0.1:0'\nidentity_secret_file = 'short.key'", &["17: chat.identity_secret_file: holds a key of 1 octets; HS256 wants 32 at least (RFC 7518 section 3.2)"], "a short key"),
    ("[[team]]\nname = 'frontline'\n", "", &["1: team: no team is there; add [[team]] with a name, and an [[agent]] with teams = [that name]", "12: agent.teams: unknown team 'frontline'; there is none"], "no team"),
    ("teams = 'frontline'", "", &["9: team: nobody works in team 'frontline'; name it in the teams of an [[agent]], or give it a manager", "11: agent.teams: is missing; write at least one team, or nothing ever reaches this agent"], "in no team, and a team without anybody"),
    ("name = 'frontline'", "name = 'front line'", &["10: team.name: 'front line' cannot be a name; write one word, such as 'front-line'", "14: agent.teams: unknown team 'frontline'; there is none"], "no word"),
    ("name = 'frontline'", "name = 'frontline'\n[[team]]\nname = 'frontline'", &["12: team.name: there is another team 'frontline' already; each needs a name of its own"], "two teams of a name"),
    ("name = 'frontline'", "name = 'frontline'\n[[team]]\nname = 'billing'\nmanager = 'carla@acme.example'", &["3: mailbox.team: is missing; write the team that its mail goes to, one of: billing, frontline"], "which team is meant?"),
    ("name = 'frontline'", "name = 'frontline'\nmanager = 'support@acme.example'", &["11: team.manager: is the address of a mailbox: the desk would write to itself"], "the desk as its own manager"),
    ("name = 'frontline'", "name = 'frontline'\ncalendar = 'office'", &["11: team.calendar: unknown calendar 'office'; known are: always"], "unknown calendar"),
    ("ana@acme.example", "Support+x@acme.example", &["13: agent.address: is the address of a mailbox: the desk would write to itself"], "the desk as its own agent"),
    ("", "[[agent]]\nname = 'Ana'\naddress = 'Ana@acme.example'\nteams = ['frontline']", &["17: agent.address: another agent has ana@acme.example already", "17: agent.address: another agent is 'ana' already; write a handle of its own"], "the same address and handle"),
    ("", "[[agent]]\nname = 'Ana'\naddress = 'ana@other.example'\nteams = ['frontline']", &["17: agent.address: another agent is 'ana' already; write a handle of its own"], "the same handle"),
    ("", "[[agent]]\nname = 'Bob'\nhandle = 'me'\naddress = 'bob@other.example'\nteams = ['frontline']", &["17: agent.handle: 'me' is a word of #assign; write another handle"], "a word of a command"),
    ("", "[[calendar]]\nname = 'office'\ntime_zone = 'Europe/Talinn'\nopen = 'mon-fri 09:00-18:00'", &["17: calendar.time_zone: unknown time zone 'Europe/Talinn'; did you mean 'Europe/Tallinn'?"], "mistyped zone"),
    ("", "[[calendar]]\nname = 'office'\ntime_zone = 'sao paulo'\nopen = 'mon-fri 09:00-18:00'", &["17: calendar.time_zone: unknown time zone 'sao paulo'; did you mean 'America/Sao_Paulo'?"], "a city"),
    ("", "[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = []", &["18: calendar.open: is empty; a calendar that never opens stops every clock; write \"mon-fri 09:00-18:00\" or the like"], "never open"),
    ("", "[[calendar]]\nname = 'office'\ntime_zone = 'UTC'", &["15: calendar.open: is missing; a calendar that never opens stops every clock; write \"mon-fri 09:00-18:00\" or the like"], "never open"),
    ("", "[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = ['mon-fri 09:00-13:00', 'fri 12:00-18:00']", &["18: calendar.open: has shifts that overlap on fri"], "overlap"),
    ("", "[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = 'mon-fri 22:00-06:00'", &["18: calendar.open: 'mon-fri 22:00-06:00' ends before it begins; write a night as two: 22:00-24:00, and 00:00-06:00 of the day after", "18: calendar.open: is empty; a calendar that never opens stops every clock; write \"mon-fri 09:00-18:00\" or the like"], "a night"),
    ("", "[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = 'mon-fry 09:00-17:00'", &["18: calendar.open: is empty; a calendar that never opens stops every clock; write \"mon-fri 09:00-18:00\" or the like", "18: calendar.open: unknown day 'fry'; did you mean 'fri'? known are: mon, tue, wed, thu, fri, sat, sun, daily"], "unknown day"),
    ("", "[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = '9 to 5'", &["18: calendar.open: '9 to 5' is no opening time; write it as \"mon-fri 09:00-12:30\"", "18: calendar.open: is empty; a calendar that never opens stops every clock; write \"mon-fri 09:00-18:00\" or the like"], "no opening time"),
    ("", "[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = 'mon 9:00-17:00'\nclosed = ['25.12.2026']", &["19: calendar.closed: '25.12.2026' is no day; write it as 2026-12-25"], "no day"),
    ("", "[[calendar]]\nname = 'always'\ntime_zone = 'UTC'\nopen = 'mon 9:00-17:00'", &["16: calendar.name: 'always' is built in; choose another name"], "built in"),
    ("", "[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = 'mon 9:00-17:00'\nholidays = 'bad.ics'", &["DIR/bad.ics:3: DTSTART: is no whole day; write it as DTSTART;VALUE=DATE:20261225"], "holidays that are not understood"),
    ("", "[[tier]]\npriority = 'high'", &["15: tier.name: is missing; a tier needs a name"], "no name"),
    ("", "[[tier]]\nname = 'basic'\npriority = 'hihg'", &["17: tier.priority: unknown priority 'hihg'; did you mean 'high'? known are: low, medium, high, critical"], "mistyped priority"),
    ("", "[[tier]]\nname = 'basic'\nplans = 'a'\n[[tier]]\nname = 'basic'\nplans = ['a', 'a']", &["19: tier.name: there is another tier 'basic' already; each needs a name of its own", "20: tier.plans: has plan 'a' twice", "20: tier.plans: plan 'a' gives tier 'basic' already"], "twice"),
    ("", "[[sla]]\ntier = 'standrad'\nfirst_response = '1h'", &["16: sla.tier: unknown tier 'standrad'; did you mean 'standard'? known are: standard"], "unknown tier"),
    ("", "[[sla]]\ntier = 'standard'", &["15: sla: has no target; write at least one of first_response, next_response and resolution"], "no target"),
    ("", "[[sla]]\nfirst_response = '2h'\nresolution = '1h'", &["16: sla.first_response: is longer than resolution; it has to be at most as long"], "answered after it is solved"),
    ("", "[[sla]]\nfirst_response = '2h'\nwarn_at = 1.5", &["17: sla.warn_at: is 1.5; it has to be above 0 and below 1, such as 0.75"], "bounds"),
    ("", "[[sla]]\nfirst_response = '2h'\nwarn_at = 1", &["17: sla.warn_at: is 1; it has to be above 0 and below 1, such as 0.75"], "a whole number is a number"),
    ("", "[[sla]]\nfirst_response = '0s'", &["16: sla.first_response: is too short; the least is 1s"], "too short"),
    ("", "[[sla]]\nfirst_response = '2h'\n[[sla]]\nresolution = '4h'", &["17: sla: an earlier policy of this tier and priority would always win; leave one of them out"], "the same twice"),
    ("", "[[rule]]\nname = 'a'\nthen = { priority = 'high' }\n[[rule]]\nname = 'a'\nthen = { priority = 'low' }", &["19: rule.name: there is another rule 'a' already; each needs a name of its own"], "two of a name"),
    ("", "[[rule]]\nname = 'a'\nwhen = { channel = 'email' }\nthen = { priority = 'high' }", &["17: rule.when.channel: unknown channel 'email'; did you mean 'mail'? known are: mail, chat, phone"], "unknown channel"),
    ("", "[[rule]]\nname = 'a'\nwhen = { txt = 'a' }\nthen = { priority = 'high' }", &["17: rule.when.txt: unknown key; did you mean 'text'?"], "unknown key"),
    ("", "[[rule]]\nname = 'a'\nwhen = { text = [] }\nthen = { priority = 'high' }", &["17: rule.when.text: is empty and never holds; leave it out if it does not matter"], "never holds"),
    ("", "[[rule]]\nname = 'a'\nwhen = { text = [''] }\nthen = { priority = 'high' }", &["17: rule.when.text: '' is empty"], "empty words"),
    ("", "[[rule]]\nname = 'a'\nwhen = { sender = ['@acme.example', 'acme.example'] }\nthen = { priority = 'high' }", &["17: rule.when.sender: 'acme.example' is not of the form name@domain; write name@domain, or @domain"], "no sender"),
    ("", "[[rule]]\nname = 'a'\nwhen = { tier = 'gold', mailbox = 'x', language = 'xx1' }\nthen = { team = 'b', assignee = 'bob', tags = 'a b' }", &["17: rule.when.language: 'xx1' is no language; write two letters such as en, pt or et (ISO 639-1)", "17: rule.when.mailbox: unknown mailbox 'x'; known are: support", "17: rule.when.tier: unknown tier 'gold'; known are: standard", "18: rule.then.assignee: unknown agent 'bob'; known are: ana", "18: rule.then.tags: 'a b' cannot be a name; write one word, such as 'a-b'", "18: rule.then.team: unknown team 'b'; known are: frontline"], "each of them"),
    ("", "[[rule]]\nname = 'a'\nthen = {}", &["17: rule.then: sets nothing; write at least one of team, priority, tags and assignee"], "sets nothing"),
    ("", "[[rule]]\nname = 'a'", &["15: rule.then: is missing; write what the rule sets, such as { team = \"billing\" }"], "sets nothing"),
    ("", "[limits]\nspool_octets = 2000000\nintake_octets_max = 1000000", &["17: limits.intake_octets_max: is less than spool_octets: the largest mail that is not fetched in pieces has to fit"], "more than fits"),
    ("", "[limits]\nchat_frame_octets_max = 1", &["16: limits.chat_frame_octets_max: is 1; it has to be from 256 to 1000000"], "too small"),
    ("[desk]\n", "[desk\n", &["1: desk: unclosed table, expected `]`"], "no TOML"),
    ("[desk]\n", "[desk]\nname = 'open\n", &["2: desk.name: invalid literal string, expected `'`"], "no end of a text"),
    ("[desk]\n", "[desk]\nlanguages = 5\nfirst_number = 'x'\nbanana = 1\n", &["2: desk.languages: is the number 5, but has to be a text in quotes or a list of them", "3: desk.first_number: is the text \"x\", but has to be a whole number", "4: desk.banana: unknown key; known here are: name, state_dir, languages, customers, templates, first_number, close_solved_after, review_after, acks_per_hour_max, acks_per_hour_known_max, acks_per_hour_domain_max, acks_per_hour_mailbox_max, acks_per_hour_desk_max, trusted_authserv_ids, agents_must_authenticate, attached_octets_max, ops, digest_at"], "all at once"),
    ("maildir = 'in'", "maildir = 'in'\n[[mailbox]]\nname = 'chat'\naddress = 'c@acme.example'\nmaildir = 'c'", &["8: mailbox.name: 'chat' is built in; choose another name"], "built in"),
    ("", "[[calendar]]\nname = 'office'\ntime_zone = 'UTC-3'\nopen = 'mon 9:00-17:00'", &["17: calendar.time_zone: unknown time zone 'UTC-3'; did you mean 'UTC'?"], "an offset is no zone"),
    ("", "[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = ['mon 9:00-17:00', 'tue 9:00-9:00', 'wed 25:00-26:00']", &["18: calendar.open: 'tue 9:00-9:00' ends as it begins; leave it out, or write 00:00-24:00 for a whole day", "18: calendar.open: 'wed 25:00-26:00' is no opening time; write it as \"mon-fri 09:00-12:30\""], "each entry"),
    ("", "[[rule]]\nname = 'a'\nthen = { assignee = 'ana', team = 'late' }\n[[team]]\nname = 'late'\nmanager = 'm@acme.example'\n[[sla]]\nfirst_response='5'", &["3: mailbox.team: is missing; write the team that its mail goes to, one of: frontline, late", "17: rule.then.assignee: 'ana' does not work in team 'late', which the rule sets", "22: sla.first_response: '5' has no unit; write 5s, 5m, 5h or 5d"], "not of that team; and a team in mailbox and length are wrong, too"),
    ("", "[[agent]]\nname = 'Bob'\naddress = 'bob@acme.example'\nteams = ['frontline', 5]", &["18: agent.teams: is the number 5, but has to be a text in quotes"], "a number in a list"),
];
