//! Who handed a mail to our own relay: the topmost Received field, if that relay wrote it, and the Return-Path above it.
//!
//! What our relay wrote stands above all that came with the mail. So the walk goes down from the top, over hops that the relay
//! handed on locally (LMTP) to the one at which the mail came in, and ends without a finding at the first field that it does not
//! understand or that another host wrote: everything from there on may be the sender's own.

use super::spf::Origin;
use core::net::IpAddr;

/// The fields come as they stand, topmost first; `relays` are host names in lower case.
pub(super) fn origin(fields: &[(&[u8], &[u8])], relays: &[String]) -> Option<Origin> {
    let mut return_path = None;
    for (name, value) in fields {
        if name.eq_ignore_ascii_case(b"Return-Path") {
            // The final delivery writes one; two above the relay's mark are not to be told apart.
            if return_path.replace(path(value)?).is_some() {
                return None;
            }
        }
        if !name.eq_ignore_ascii_case(b"Received") {
            continue;
        }
        let hop = Hop::parse(std::str::from_utf8(value).ok()?)?;
        if !relays.iter().any(|relay| relay.eq_ignore_ascii_case(hop.by)) {
            return None;
        }
        match hop.client {
            Some((hello, ip)) if is_public(ip) => {
                return Some(Origin { ip, hello: hello.to_owned(), return_path: return_path? });
            }
            None if hop.is_local => {}
            Some(_) | None => return None,
        }
    }
    None
}

/// One Received field (RFC 5321 section 4.4).
struct Hop<'a> {
    by: &'a str,
    /// The name it gave itself, and the address that the relay saw.
    client: Option<(&'a str, IpAddr)>,
    /// Handed on by LMTP (RFC 3848).
    is_local: bool,
}

impl<'a> Hop<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        // The date behind the last ';' says nothing here.
        let tokens = tokens(value.rsplit_once(';').map_or(value, |(hop, _)| hop))?;
        let [Token::Word(from), Token::Word(hello), rest @ ..] = tokens.as_slice() else { return None };
        if !from.eq_ignore_ascii_case("from") {
            return None;
        }
        let mut comments = Vec::new();
        let mut rest = rest.iter();
        let by = loop {
            match rest.next()? {
                Token::Comment(comment) => comments.push(*comment),
                Token::Word(word) if word.eq_ignore_ascii_case("by") => match rest.next()? {
                    Token::Word(by) => break *by,
                    Token::Comment(_) => return None,
                },
                // Nothing else stands there; whoever can put a word there can put more.
                Token::Word(_) => return None,
            }
        };
        let with = rest.as_slice().windows(2).find_map(|pair| match pair {
            [Token::Word(with), Token::Word(protocol)] if with.eq_ignore_ascii_case("with") => Some(*protocol),
            [_, ..] | [] => None,
        });
        // "(name [address])": exactly one address in all comments, and that in the first before the one "by". More may be the
        // greeting of a client that plays relay.
        let is_by = |token: &&Token<'_>| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("by"));
        if rest.as_slice().iter().any(|token| is_by(&token) || matches!(token, Token::Comment(comment) if comment.contains('['))) {
            return None;
        }
        let bracketed = comments.iter().map(|comment| comment.matches('[').count()).sum::<usize>();
        let client = match (bracketed, comments.first()) {
            (0, _) => None,
            (1, Some(comment)) => Some((*hello, address(comment)?)),
            (_, _) => return None,
        };
        let is_local = with.is_some_and(|with| with.get(..4).is_some_and(|kind| kind.eq_ignore_ascii_case("LMTP")));
        Some(Self { by: by.strip_suffix('.').unwrap_or(by), client, is_local })
    }
}

/// `… [192.0.2.1]`, `… [IPv6:2001:db8::1]`.
fn address(comment: &str) -> Option<IpAddr> {
    let (_, rest) = comment.split_once('[')?;
    let (written, _) = rest.split_once(']')?;
    let plain = written.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:")).map_or(written, |tag| &written[tag.len()..]);
    plain.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// Whether it can be the address of a stranger: an inner hop says nothing of who sent the mail.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_multicast()),
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified() || ip.is_multicast())
        }
    }
}

enum Token<'a> {
    Word(&'a str),
    /// Without its parentheses.
    Comment(&'a str),
}

/// Words and comments; `None` for what nests wrongly, is quoted, or is too much to be a relay's.
fn tokens(value: &str) -> Option<Vec<Token<'_>>> {
    const TOKENS_MAX: usize = 60;
    let mut tokens = Vec::new();
    let mut rest = value.trim();
    while let Some(first) = rest.chars().next() {
        if tokens.len() == TOKENS_MAX {
            return None;
        }
        if first == '(' {
            let mut depth = 0_usize;
            let end = rest.char_indices().find_map(|(at, c)| {
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                (depth == 0).then_some(at)
            })?;
            tokens.push(Token::Comment(&rest[1..end]));
            rest = rest[end + 1..].trim_start();
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || c == '(').unwrap_or(rest.len());
            let word = &rest[..end];
            if word.contains(['"', '\\', ')']) {
                return None;
            }
            tokens.push(Token::Word(word));
            rest = rest[end..].trim_start();
        }
    }
    Some(tokens)
}

/// The value of a Return-Path, without its brackets.
fn path(value: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(value).ok()?.trim().strip_prefix('<')?.strip_suffix('>')?;
    let plain = |c: char| c.is_ascii_graphic() && !"<>\"\\(),:;[]".contains(c);
    (path.chars().all(plain) && (path.is_empty() || path.contains('@'))).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_mail_came_from() {
        const POSTFIX: &str =
            "Received: from out.shop.example (out.shop.example [198.51.100.7])\n by mx.acme.example (Postfix) with ESMTPS id 4X; Tue";
        const LMTP: &str = "Received: from mx.acme.example\n by mx.acme.example with LMTP\n id 9 (envelope-from <a@b.example>); Tue";
        for (fields, expect, why) in [
            (vec!["Return-Path: <a@shop.example>", POSTFIX], Some("198.51.100.7 out.shop.example a@shop.example"), "Postfix"),
            (
                vec!["Return-Path: <a@shop.example>", LMTP, POSTFIX],
                Some("198.51.100.7 out.shop.example a@shop.example"),
                "Dovecot in front",
            ),
            (vec!["Return-Path: <>", POSTFIX], Some("198.51.100.7 out.shop.example "), "a report"),
            (
                vec![
                    "Return-Path: <a@b.example>",
                    "Received: from x (unknown [IPv6:2001:db8::5]) (using TLSv1.3 (256/256 bits)) by MX.acme.example. with ESMTP",
                ],
                Some("2001:db8::5 x a@b.example"),
                "IPv6, more comments, a dot",
            ),
            (vec![POSTFIX], None, "no Return-Path"),
            (vec![POSTFIX, "Return-Path: <a@shop.example>"], None, "one that came with the mail"),
            (vec!["Return-Path: <a@b.example>", "Return-Path: <c@d.example>", POSTFIX], None, "two"),
            (
                vec!["Return-Path: <a@b.example>", "Received: from x (x [198.51.100.7]) by mx.evil.example with SMTP", POSTFIX],
                None,
                "another's on top",
            ),
            (vec!["Return-Path: <a@b.example>", "Received: from x by mx.acme.example with SMTP", POSTFIX], None, "no address, and no LMTP"),
            (
                vec!["Return-Path: <a@b.example>", "Received: by mx.acme.example (Postfix, from userid 33)", POSTFIX],
                None,
                "from a program there",
            ),
            (
                vec!["Return-Path: <a@b.example>", "Received: from x (x [10.0.0.1]) by mx.acme.example with SMTP", POSTFIX],
                None,
                "an inner hop",
            ),
            (
                vec!["Return-Path: <a@b.example>", "Received: from x(y[198.51.100.7]) (unknown [203.0.113.6]) by mx.acme.example"],
                None,
                "a greeting that lies",
            ),
            (
                vec!["Return-Path: <a@b.example>", "Received: from x by mx.acme.example with SMTP (u [203.0.113.6]) by mx.acme.example"],
                None,
                "words in the greeting",
            ),
            (
                vec![
                    "Return-Path: <a@b.example>",
                    "Received: from x by mx.acme.example with LMTP (u [203.0.113.6]) by mx.acme.example",
                    POSTFIX,
                ],
                None,
                "a greeting that plays a local hop",
            ),
            (vec!["Return-Path: <a@b.example>", "Received: from x (x [198.51.100.777]) by mx.acme.example"], None, "no address"),
            (vec!["Return-Path: <a@b.example>", "Received: from x (x [198.51.100.7] by mx.acme.example"], None, "an open comment"),
            (vec!["Return-Path: <a@b.example>", "Received: "], None, "empty"),
            (vec![], None, "nothing"),
        ] {
            let split: Vec<(&[u8], &[u8])> =
                fields.iter().map(|f| f.split_once(": ").unwrap()).map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
            let found = origin(&split, &["mx.acme.example".to_owned()]);
            assert_eq!(found.map(|o| format!("{} {} {}", o.ip, o.hello, o.return_path)).as_deref(), expect, "{why}");
        }
        let many = format!("Received: {}", "(".repeat(100_000));
        let (name, value) = many.split_once(": ").unwrap();
        assert_eq!(origin(&[(name.as_bytes(), value.as_bytes())], &["mx".to_owned()]), None, "a wall of brackets");
    }
}
