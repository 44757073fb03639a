//! What is wrong with a configuration, where, and what would be right (P12).

use crate::domain::words::nearest;
use std::fmt;

/// One fault. Printed as `file:line: key: message`; what has no line (the environment, a file that cannot be read) as
/// `file: key: message`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file as the user named it, `environment`, or `built-in`.
    pub file: String,
    /// From 1.
    pub line: Option<u32>,
    /// The way to the value, as a TOML header would have it: `mailbox.imap.port`.
    pub key: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}: {}", self.key, self.message)
    }
}

impl std::error::Error for Fault {}

/// `unknown team 'x'; did you mean 'y'?`, or the list of all that are known.
pub(super) fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let near = nearest(name, known.iter().copied()).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
    if known.is_empty() {
        return format!("unknown {what} '{name}'; there is none");
    }
    if !near.is_empty() && known.len() > 12 {
        return format!("unknown {what} '{name}'{near}");
    }
    format!("unknown {what} '{name}'{near}{} known are: {}", if near.is_empty() { ";" } else { "" }, known.join(", "))
}

/// What serde says of one value, in our words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) message: String,
    /// The key that was most likely meant, where an unknown one stands.
    pub(super) meant: Option<String>,
}

/// Turns serde's sentences into ours. What is not known of them stays as it is.
pub(super) fn explain(serde_says: &str, is_secret: bool) -> Said {
    if let Some(rest) = serde_says.strip_prefix("unknown field `") {
        let mut words = rest.split('`').step_by(2);
        let name = words.next().unwrap_or_default();
        // ``host`, expected one of `a`, `b``: every second piece is a name.
        let known: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
        let meant = nearest(name, known.iter().copied()).map(str::to_owned);
        let message = match &meant {
            Some(meant) => format!("unknown key; did you mean '{meant}'?"),
            None => format!("unknown key; known here are: {}", known.join(", ")),
        };
        return Said { message, meant };
    }
    let types = serde_says.strip_prefix("invalid type: ").or_else(|| serde_says.strip_prefix("invalid value: "));
    let message = match types.and_then(|types| types.rsplit_once(", expected ")) {
        Some((_, expected)) if is_secret => format!("has to be {}", wanted(expected)),
        Some((found, expected)) => format!("is {}, but has to be {}", there(found), wanted(expected)),
        None => serde_says.lines().collect::<Vec<_>>().join("; "),
    };
    Said { message, meant: None }
}

fn there(found: &str) -> String {
    match found.split_once(' ') {
        _ if found == "map" => "a table".to_owned(),
        _ if found == "sequence" => "a list".to_owned(),
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer", number)) => format!("the number {}", number.trim_matches('`')),
        Some(("floating", number)) => format!("the number {}", number.trim_start_matches("point ").trim_matches('`')),
        Some(("boolean", word)) => word.trim_matches('`').to_owned(),
        Some(_) | None => found.to_owned(),
    }
}

fn wanted(expected: &str) -> &str {
    match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "a sequence" => "a list; each of its tables begins with a header in two pairs of brackets, such as [[team]]",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_one_form() {
        let mut fault =
            Fault { file: "guichet.toml".to_owned(), line: Some(3), key: "smtp.port".to_owned(), message: "is wrong".to_owned() };
        assert_eq!(fault.to_string(), "guichet.toml:3: smtp.port: is wrong");
        fault.line = None;
        assert_eq!(fault.to_string(), "guichet.toml: smtp.port: is wrong");
    }

    #[test]
    fn serde_speaks_our_words() {
        for (says, secret, expect) in [
            ("unknown field `prot`, expected one of `host`, `port`", false, "unknown key; did you mean 'port'?"),
            ("unknown field `banana`, expected `host` or `port`", false, "unknown key; known here are: host, port"),
            ("invalid type: string \"many\", expected u16", false, "is the text \"many\", but has to be a whole number from 0 to 65535"),
            ("invalid value: integer `-1`, expected u32", false, "is the number -1, but has to be a whole number from 0 to 4294967295"),
            ("invalid type: integer `1234`, expected a string", true, "has to be a text in quotes"),
            ("something else\nentirely", false, "something else; entirely"),
        ] {
            assert_eq!(explain(says, secret).message, expect);
        }
    }

    #[test]
    fn what_is_known_is_named() {
        assert_eq!(
            unknown("team", "biling", ["billing", "front"]),
            "unknown team 'biling'; did you mean 'billing'? known are: billing, front"
        );
        assert_eq!(unknown("team", "x", ["billing", "front"]), "unknown team 'x'; known are: billing, front");
        assert_eq!(unknown("team", "x", []), "unknown team 'x'; there is none");
    }
}
