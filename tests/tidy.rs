//! House rules that no compiler checks: who may know whom, who reads time, who names the engine, who opens sockets, and what the
//! project's top level holds. Each rule is a function from files to offences, and is shown to fail on a sample.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use regex::Regex;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of one source file, at most: a longer one is a room that wants a folder.
const LINES_MAX: usize = 900;

/// What the top level may hold beside dot-files, and whether it must.
const TOP_LEVEL: [(&str, bool); 9] = [
    ("Cargo.toml", true),
    ("Cargo.lock", true),
    ("LICENSE", true),
    ("README.md", true),
    ("src", true),
    ("config", true),
    ("tests", true),
    ("deploy", true),
    ("benches", true),
];

/// Crates that domain code may use: values and arithmetic, no I/O.
const DOMAIN_CRATES: [&str; 9] =
    ["aho_corasick", "jiff", "regex", "regex_syntax", "minijinja", "idna", "thiserror", "serde", "icu_normalizer"];

/// Crates that reading and writing mail needs: parsing, encoding, hashing.
const MAIL_CRATES: [&str; 22] = [
    "jiff",
    "regex",
    "minijinja",
    "idna",
    "thiserror",
    "serde",
    "icu_normalizer",
    "base64",
    "blake3",
    "chardetng",
    "memchr",
    "data_encoding",
    "hmac",
    "mail_auth",
    "mail_builder",
    "mail_parser",
    "psl",
    "rand",
    "secrecy",
    "sha2",
    "subtle",
    "whatlang",
];

/// Who may read tokio's monotonic clock, which is for time limits and delays at the edges and is never stored.
const MONOTONIC: [(&str, &str); 7] = [
    ("intake/sender.rs", "one limit for all questions about a mail"),
    ("channel/", "time limits of the wire, back-off"),
    ("http/", "time limits of the wire"),
    ("health.rs", "the silence of a mailbox, which no stepped clock makes"),
    ("outbox", "the delay to the next attempt"),
    ("sla_watch", "the delay to the next due time"),
    ("store/sled/writer.rs", "the window in which changes share one flush"),
];

/// A file below `src/`, with its comments, strings and test modules blanked out; line numbers stay.
struct Source {
    /// Relative to `src/`.
    path: String,
    code: String,
    lines: usize,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), code: without_tests(&code_only(text)), lines: text.lines().count() }
    }

    fn is_in(&self, room: &str) -> bool {
        self.path.starts_with(room)
    }

    /// Where a pattern matches, as `src/path:line: what`.
    fn offences(&self, pattern: &Regex, what: &str) -> Vec<String> {
        let at = |offset: usize| self.code[..offset].matches('\n').count() + 1;
        pattern
            .find_iter(&self.code)
            .map(|hit| format!("src/{}:{}: {what}: `{}`", self.path, at(hit.start()), hit.as_str().trim()))
            .collect()
    }
}

type Rule = fn(&[Source]) -> Vec<String>;

/// A path below `src/` and a text.
type Sample = (&'static str, &'static str);

/// Every rule about sources, with a sample that offends it and one that does not.
const RULES: [(&str, Rule, Sample, Sample); 9] = [
    (
        "domain knows nothing but itself",
        domain_is_alone,
        ("domain/sla.rs", "use crate::{domain::ticket, store::Store};"),
        ("domain/sla.rs", "use crate::domain::ticket; use super::x; use std::time::Duration; // tokio::spawn"),
    ),
    (
        "mail knows domain only",
        mail_is_pure,
        ("mail/token.rs", "let x = crate::config::settings::y();"),
        ("mail/token.rs", "use crate::domain::x;"),
    ),
    (
        "store knows domain only",
        store_knows_domain,
        ("store/mod.rs", "use crate::clock::Clock;"),
        ("store/mod.rs", "use crate::domain::change;"),
    ),
    ("only clock.rs reads time", one_reader_of_time, ("intake.rs", "let now = jiff::Timestamp::now();"), ("clock.rs", "Timestamp::now()")),
    ("only store names the engine", one_room_for_the_engine, ("outbox.rs", "sled::open(p)"), ("store/sled/mod.rs", "::sled::open(p)")),
    (
        "only channel and http open sockets",
        sockets_at_the_edges,
        ("cli/run.rs", "TcpStream::connect(a)"),
        ("http/client.rs", "UnixStream::connect(a)"),
    ),
    (
        "only normalise knows mail-parser",
        one_user_of_mail_parser,
        ("mail/bounce.rs", "use mail_parser::MessageParser;"),
        ("mail/normalise/headers.rs", "use mail_parser::HeaderName;"),
    ),
    ("modules lie where their name says", no_path_attributes, ("lib.rs", "#[path = \"x.rs\"] mod y;"), ("lib.rs", "mod path;")),
    ("no file is too long", files_are_short, ("lib.rs", "LONG"), ("lib.rs", "short")),
];

fn domain_is_alone(sources: &[Source]) -> Vec<String> {
    let mut offences = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("domain/")) {
        offences.extend(foreign_rooms(source, &["domain"]));
        offences.extend(foreign_crates(source, &DOMAIN_CRATES));
        offences.extend(impure(source));
    }
    offences
}

fn mail_is_pure(sources: &[Source]) -> Vec<String> {
    let mut offences = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("mail/")) {
        offences.extend(foreign_rooms(source, &["domain", "mail"]));
        offences.extend(foreign_crates(source, &MAIL_CRATES));
        offences.extend(impure(source));
    }
    offences
}

fn store_knows_domain(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .filter(|source| source.is_in("store/"))
        .flat_map(|source| foreign_rooms(source, &["domain", "store", "fault_plan"]))
        .collect()
}

fn one_reader_of_time(sources: &[Source]) -> Vec<String> {
    let wall = Regex::new(r"\b(Timestamp|Zoned|SystemTime|Utc|Local)::now\b").unwrap();
    let standard = Regex::new(r"\bstd::time::(Instant|SystemTime|\{[^}]*\b(Instant|SystemTime)\b)").unwrap();
    let monotonic = Regex::new(r"\bInstant::now\b").unwrap();
    let mut offences = Vec::new();
    for source in sources.iter().filter(|source| source.path != "clock.rs") {
        offences.extend(source.offences(&wall, "reads the wall clock"));
        if source.path != "mail/authenticity/own.rs" {
            // There it is a parameter of a trait of mail-auth's, and nobody reads it.
            offences.extend(source.offences(&standard, "reads a clock that tests cannot move"));
        }
        if !MONOTONIC.iter().any(|(path, _reason)| source.is_in(path)) {
            offences.extend(source.offences(&monotonic, "reads the monotonic clock"));
        }
    }
    offences
}

fn one_room_for_the_engine(sources: &[Source]) -> Vec<String> {
    let engine = Regex::new(r"\bsled\b").unwrap();
    sources.iter().filter(|source| !source.is_in("store/")).flat_map(|source| source.offences(&engine, "names the engine")).collect()
}

fn sockets_at_the_edges(sources: &[Source]) -> Vec<String> {
    let socket = Regex::new(r"\b(TcpStream|TcpListener|TcpSocket|UnixStream|UnixListener|UnixDatagram|UdpSocket)\b").unwrap();
    let inside = |source: &&Source| !source.is_in("channel/") && !source.is_in("http/");
    sources.iter().filter(inside).flat_map(|source| source.offences(&socket, "opens a socket")).collect()
}

fn one_user_of_mail_parser(sources: &[Source]) -> Vec<String> {
    let parser = Regex::new(r"\bmail_parser\b").unwrap();
    sources
        .iter()
        .filter(|source| !source.is_in("mail/normalise"))
        .flat_map(|source| source.offences(&parser, "knows mail-parser"))
        .collect()
}

fn no_path_attributes(sources: &[Source]) -> Vec<String> {
    let attribute = Regex::new(r"#!?\[\s*path\b").unwrap();
    sources.iter().flat_map(|source| source.offences(&attribute, "hides where a module lies")).collect()
}

fn files_are_short(sources: &[Source]) -> Vec<String> {
    let long = |source: &&Source| source.lines > LINES_MAX;
    sources.iter().filter(long).map(|source| format!("src/{}: {} lines, at most {LINES_MAX}", source.path, source.lines)).collect()
}

/// Uses of other rooms of this crate, by `crate::room` or `crate::{room, …}`.
fn foreign_rooms(source: &Source, known: &[&str]) -> Vec<String> {
    let path = Regex::new(r"\bcrate\s*::\s*(\w+|\{)").unwrap();
    let mut offences = Vec::new();
    for hit in path.captures_iter(&source.code) {
        let (whole, first) = (hit.get(0).unwrap(), hit.get(1).unwrap());
        let rooms = if first.as_str() == "{" { heads_of_group(&source.code[first.end()..]) } else { vec![first.as_str().to_owned()] };
        let line = source.code[..whole.start()].matches('\n').count() + 1;
        for room in rooms.iter().filter(|room| !known.contains(&room.as_str())) {
            offences.push(format!("src/{}:{line}: knows the room `{room}`", source.path));
        }
    }
    offences
}

/// The first names in `a::b, c::{d, e}, f}`.
fn heads_of_group(rest: &str) -> Vec<String> {
    let mut heads = vec![String::new()];
    let (mut depth, mut in_head) = (0, true);
    for c in rest.chars() {
        match c {
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '{' => depth += 1,
            ',' if depth == 0 => {
                heads.push(String::new());
                in_head = true;
            }
            ':' => in_head = false,
            c if depth == 0 && in_head && !c.is_whitespace() => heads.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

/// Paths into crates of Cargo.toml that are not among the known.
fn foreign_crates(source: &Source, known: &[&str]) -> Vec<String> {
    let mut offences = Vec::new();
    for name in dependencies(&manifest()).iter().filter(|name| !known.contains(&name.as_str())) {
        // Not `super::config::…` or `self::config::…`, which are modules of that name.
        let path = Regex::new(&format!(r"(^|[^:\w]|[^:\w]::){name}\s*::")).unwrap();
        let import = Regex::new(&format!(r"\buse\s+(::)?{name}\b")).unwrap();
        let hits = source.offences(&import, "uses a crate that it must not know");
        offences.extend(if hits.is_empty() { source.offences(&path, "uses a crate that it must not know") } else { hits });
    }
    offences
}

/// I/O, tasks and output of the standard library and of the language.
fn impure(source: &Source) -> Vec<String> {
    let outside =
        Regex::new(r"\bstd::(fs|net|io::(stdin|stdout|stderr)|process|thread|env|os)\b|\basync\b|\.await\b|\be?print(ln)?!").unwrap();
    source.offences(&outside, "touches the outside world")
}

// What the sources are.

/// Blanks comments and the insides of strings.
fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    while at < chars.len() {
        let rest = &chars[at..];
        let taken = if rest.starts_with(&['/', '/']) {
            rest.iter().position(|&c| c == '\n').unwrap_or(rest.len())
        } else if rest.starts_with(&['/', '*']) {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest, chars[..at].last()) {
            length
        } else if rest[0] == '"' {
            quoted(rest, '"')
        } else if rest[0] == '\'' && (rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'')) {
            quoted(rest, '\'')
        } else {
            code.push(rest[0]);
            at += 1;
            continue;
        };
        code.extend(rest[..taken].iter().map(|&c| blank(c)));
        at += taken;
    }
    code
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of `r#"…"#`, if one begins here.
fn raw_string(rest: &[char], before: Option<&char>) -> Option<usize> {
    if rest[0] != 'r' || before.is_some_and(|c| (c.is_alphanumeric() && *c != 'b') || *c == '_') {
        return None;
    }
    let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let mut end = vec!['"'];
    end.resize(1 + hashes, '#');
    let start = 2 + hashes;
    let length = rest[start..].windows(end.len()).position(|window| window == end);
    Some(length.map_or(rest.len(), |length| start + length + end.len()))
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Blanks `#[cfg(test)]` items: up to their closing brace, or to the semicolon of `mod tests;`.
fn without_tests(code: &str) -> String {
    let attribute = Regex::new(r"#\[cfg\((all\()?\s*test\b[^\]]*\]").unwrap();
    let mut kept = code.to_owned();
    while let Some(hit) = attribute.find(&kept) {
        let mut depth = 0;
        let mut end = kept.len();
        for (offset, c) in kept[hit.end()..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && (c == ';' || c == '}') {
                end = hit.end() + offset + 1;
                break;
            }
        }
        let blanked: String = kept[hit.start()..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        kept.replace_range(hit.start()..end, &blanked);
    }
    kept
}

fn root() -> PathBuf {
    PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the project lies"))
}

fn manifest() -> String {
    std::fs::read_to_string(root().join("Cargo.toml")).unwrap()
}

/// All sources but files of tests (`tests.rs`, `tests/`), which `#[cfg(test)] mod tests;` brings in.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_tests = path.file_stem().is_some_and(|name| name == "tests");
            if path.is_dir() && !is_tests {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_tests {
                let name = path.strip_prefix(root().join("src")).unwrap().display().to_string();
                sources.push(Source::new(&name, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

// The tests.

fn assert_none(rule: &str, offences: &[String]) {
    let mut report = String::new();
    for offence in offences {
        writeln!(report, "  {offence}").unwrap();
    }
    assert!(offences.is_empty(), "{rule}:\n{report}");
}

#[test]
fn the_sources_keep_the_house_rules() {
    let sources = sources();
    assert!(sources.iter().any(|source| source.path == "lib.rs"));
    let offences: Vec<String> =
        RULES.iter().flat_map(|(name, rule, ..)| rule(&sources).into_iter().map(move |offence| format!("[{name}] {offence}"))).collect();
    assert_none("the sources", &offences);
}

#[test]
fn each_rule_can_fail() {
    let text = |text: &str| if text == "LONG" { "//\n".repeat(LINES_MAX + 1) } else { text.to_owned() };
    for (name, rule, (bad_path, bad), (good_path, good)) in RULES {
        assert!(!rule(&[Source::new(bad_path, &text(bad))]).is_empty(), "{name}: the offending sample passes");
        assert_none(name, &rule(&[Source::new(good_path, &text(good))]));
    }
    for (path, text, why) in [
        ("domain/x.rs", "use tokio::spawn;", "a crate with I/O"),
        ("domain/x.rs", "fn f() { tracing::info!(\"x\") }", "logging"),
        ("domain/x.rs", "pub async fn f() {}", "async"),
        ("domain/x.rs", "let t = std::fs::read(p);", "the disk"),
        ("domain/x.rs", "use crate::mail::token;", "another room"),
        ("mail/x.rs", "use std::net::IpAddr;", "the network"),
        ("mail/x.rs", "use crate::{domain::{a, b}, intake};", "a room in a group"),
        ("store/x.rs", "use crate::mail::compose;", "store does not know mail"),
        ("intake.rs", "use std::time::{Duration, Instant};", "the clock that tests cannot move"),
        ("intake.rs", "let t = tokio::time::Instant::now();", "monotonic time off the edges"),
        ("channel/x.rs", "let t = SystemTime::now();", "wall time at the edge"),
    ] {
        let sources = [Source::new(path, text)];
        assert!(RULES.iter().any(|(_, rule, ..)| !rule(&sources).is_empty()), "{why}: {text}");
    }
    for (path, text, why) in [
        ("domain/x.rs", "/// Like `tokio::spawn`, see crate::store.\nconst A: &str = \"sled::open, TcpStream\";", "comments and strings"),
        (
            "domain/x.rs",
            "const A: &str = r#\"use \"tokio\"::x\"#; const Q: char = '\"'; fn f<'a>(x: &'a str) {}",
            "raw strings, characters, lifetimes",
        ),
        ("domain/x.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n  use crate::store::x; fn t() { {} }\n}\n", "test modules"),
        ("domain/x.rs", "#[cfg(test)]\nmod tests;\nfn a() {}", "test modules in a file"),
        ("store/x.rs", "let t = tokio::time::timeout(d, f);", "time limits are not readings"),
        ("channel/x.rs", "use tokio::time::Instant; let t = Instant::now();", "monotonic time at the edge"),
        ("mail/x.rs", "use super::config::x; self::config::y();", "a module with a crate's name"),
    ] {
        let offences: Vec<String> = RULES.iter().flat_map(|(_, rule, ..)| rule(&[Source::new(path, text)])).collect();
        assert_none(why, &offences);
    }
    let after_tests = Source::new("domain/x.rs", "#[cfg(test)]\nmod tests { }\nuse crate::store::x;\n");
    assert_eq!(domain_is_alone(&[after_tests]), ["src/domain/x.rs:3: knows the room `store`"], "code behind a test module counts");
}

#[test]
fn the_top_level_holds_what_it_should() {
    let tracked = tracked_files();
    assert_none("the top level", &top_level_offences(&tracked));
    let with = |path: &str| tracked.iter().cloned().chain([path.to_owned()]).collect::<Vec<_>>();
    assert_eq!(top_level_offences(&with("notes.txt")), ["`notes.txt` does not belong here"]);
    assert_eq!(top_level_offences(&with("scripts/x.sh")), ["`scripts` does not belong here"]);
    assert!(top_level_offences(&with(".editorconfig")).is_empty());
    let without: Vec<_> = tracked.iter().filter(|path| *path != "LICENSE").cloned().collect();
    assert_eq!(top_level_offences(&without), ["`LICENSE` is missing"]);
}

fn top_level_offences(tracked: &[String]) -> Vec<String> {
    let present: BTreeSet<&str> = tracked.iter().map(|path| path.split('/').next().unwrap()).collect();
    let strangers = present.iter().filter(|name| !name.starts_with('.') && !TOP_LEVEL.iter().any(|(known, _)| known == *name));
    let missing = TOP_LEVEL.iter().filter(|(name, must)| *must && !present.contains(name));
    strangers.map(|name| format!("`{name}` does not belong here")).chain(missing.map(|(name, _)| format!("`{name}` is missing"))).collect()
}

#[test]
fn no_file_names_a_host_of_packages_or_a_private_path() {
    // In two halves, so that this file does not name them either.
    let needles: Vec<String> = [
        ("/wo", "rk/"),
        ("/ro", "ot/"),
        ("index.crates", ".io"),
        ("static.crates", ".io"),
        ("deb.deb", "ian.org"),
        ("pypi", ".org"),
        ("registry.npm", "js"),
    ]
    .iter()
    .map(|(a, b)| format!("{a}{b}"))
    .collect();
    let mut offences = Vec::new();
    for path in tracked_files() {
        if let Ok(octets) = std::fs::read(root().join(&path)) {
            offences.extend(naming_offences(&path, &octets, &needles));
        }
    }
    assert_none("names", &offences);
    assert_eq!(naming_offences("x", format!("a\nsee {}y", needles[0]).as_bytes(), &needles).len(), 1, "the rule can fail");
}

fn naming_offences(path: &str, octets: &[u8], needles: &[String]) -> Vec<String> {
    let text = String::from_utf8_lossy(octets);
    let hits = text
        .lines()
        .enumerate()
        .flat_map(|(at, line)| needles.iter().filter(|needle| line.contains(*needle)).map(move |needle| (at, needle)));
    hits.map(|(at, needle)| format!("{path}:{}: names {needle}", at + 1)).collect()
}

#[test]
fn each_dependency_has_its_reason() {
    assert_none("Cargo.toml", &dependencies_without_reason(&manifest()));
    let sample = "[dependencies]\na = \"1\" # why\n# why\nb = \"1\"\nc = \"1\"\n[dev-dependencies]\nd = \"1\"\n";
    assert_eq!(dependencies_without_reason(sample), ["`c` has no reason beside or above it"]);
    assert!(dependencies(&manifest()).contains("tokio"));
}

fn dependencies_without_reason(manifest: &str) -> Vec<String> {
    let mut offences = Vec::new();
    let (mut inside, mut above) = (false, "");
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside && line.contains('=') && !line.starts_with('#') && !line.contains('#') && !above.starts_with('#') {
            offences.push(format!("`{}` has no reason beside or above it", line.split('=').next().unwrap().trim()));
        }
        above = line;
    }
    offences
}

/// The crates of `[dependencies]`, as code names them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let table: toml::Table = manifest.parse().unwrap();
    table["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}

/// What git keeps, or what lies here if this is no clone.
fn tracked_files() -> Vec<String> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    match output {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => {
            String::from_utf8_lossy(&output.stdout).split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect()
        }
        _ => files_below(&root(), &root()),
    }
}

fn files_below(root: &Path, folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        match path.is_dir() {
            true if name == "target" || name == ".git" => {}
            true => files.extend(files_below(root, &path)),
            false => files.push(name),
        }
    }
    files
}
