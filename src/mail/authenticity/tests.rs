use super::*;
use crate::mail::normalise::{NormaliseLimits, normalise};
use proptest::prelude::*;

const AUTHENTICATED: &str = "authenticated";
const FAILED: &str = "failed";
const UNKNOWN: &str = "unknown";

fn trusted() -> Vec<String> {
    vec!["mx.help.example".to_owned(), "mx2.help.example".to_owned()]
}

/// The verdict about a mail of ana@shop.acme.example with this header on top of it.
fn verdict_of(head: &str) -> Judgement {
    let raw = format!("{head}From: Ana <Ana@Shop.Acme.Example>\r\nSubject: x\r\n\r\nHello\r\n");
    let parsed = normalise(raw.as_bytes(), &NormaliseLimits::default());
    judge(parsed.authentication_results.as_deref(), parsed.from.as_ref().map(|f| &f.address), &trusted())
}

#[test]
fn p8_whose_word_counts() {
    const PASS: &str = "dmarc=pass header.from=shop.acme.example";
    let field = |value: &str| format!("Authentication-Results: {value}\r\n");
    for (head, expect, why) in [
        (field(&format!("mx.help.example; {PASS}")), AUTHENTICATED, "plain"),
        (field(&format!("mx2.help.example; {PASS}")), AUTHENTICATED, "another that is trusted"),
        (field("MX.Help.EXAMPLE; DMARC=Pass Header.From=SHOP.acme.example"), AUTHENTICATED, "upper case"),
        (field(&format!("mx.help.example 1; {PASS}")), AUTHENTICATED, "with its version"),
        (field(&format!("mx.help.example 2; {PASS}")), UNKNOWN, "a version of later"),
        (field(&format!("mx.help.example 99999999999; {PASS}")), UNKNOWN, "a version that is no number of ours"),
        (field(&format!("\"mx.help.example\"; {PASS}")), AUTHENTICATED, "quoted id"),
        (field(&format!("\"mx.help\\.example\" (a) 1 (b) ; {PASS}")), AUTHENTICATED, "quoted pair, comments"),
        (field("mx.help.example;\r\n\tdmarc=pass\r\n header.from=shop.acme.example"), AUTHENTICATED, "folded"),
        (field(&format!("(c (nested \\) c)) mx.help.example(c);{PASS} (c);")), AUTHENTICATED, "comments, a ';' at the end"),
        (field(&format!("(mx.help.example;) mx.evil.example; {PASS}")), UNKNOWN, "the id in a comment"),
        (field(&format!("mx.evil.example (mx.help.example; {PASS})")), UNKNOWN, "all of it in a comment"),
        (field(&format!("mx.help.example (; {PASS}")), UNKNOWN, "a comment without end"),
        (field(&format!("\"mx.help.example; {PASS}")), UNKNOWN, "a quote without end"),
        (field(&format!("mx.help.example.evil.example; {PASS}")), UNKNOWN, "an id that begins with ours"),
        (field(&format!("evil.mx.help.example; {PASS}")), UNKNOWN, "an id that ends with ours"),
        (field(&format!("mx.help.example mx.evil.example; {PASS}")), UNKNOWN, "two ids"),
        (field(&format!("mx.help.example/1; {PASS}")), UNKNOWN, "junk behind the id"),
        (field(&format!("mx.h\u{435}lp.example; {PASS}")), UNKNOWN, "a letter that looks alike"),
        (field(&format!("mx.help\u{2024}example; {PASS}")), UNKNOWN, "a dot that looks alike"),
        (field(&format!("mx.help.example\u{200b}; {PASS}")), UNKNOWN, "a mark that shows nothing"),
        (field(&format!("=?utf-8?q?mx.help.example?=; {PASS}")), UNKNOWN, "an encoded word is not decoded"),
        (field(&format!("mx.help.example\0; {PASS}")), UNKNOWN, "NUL is never a place to cut"),
        (field(&format!("; {PASS}")), UNKNOWN, "no id"),
        (field(PASS), UNKNOWN, "no id, as some write it"),
        (field(""), UNKNOWN, "empty"),
        (field("mx.help.example; none"), UNKNOWN, "nothing was checked"),
        (field(&format!("mx.help.example; none; {PASS}")), UNKNOWN, "nothing, and then something"),
        (field(&format!("mx.help.example; {PASS}; none")), UNKNOWN, "something, and then nothing"),
        (field("mx.help.example"), UNKNOWN, "an id and no more"),
        (field(&format!("mx.help.example; {PASS}; {}", "x".repeat(9000))), UNKNOWN, "too long"),
        (field(&format!("mx.help.example; {}{PASS}", "spf=none; ".repeat(70))), UNKNOWN, "too many"),
        (
            field("mx.evil.example; none") + &field(&format!("mx.help.example; {PASS}")),
            UNKNOWN,
            "what stands below another's may be his, too",
        ),
        (field("mx.help.example; dmarc=fail") + &field(&format!("mx.help.example; {PASS}")), FAILED, "two of ours: the topmost"),
        (field(&format!("mx.help.example; {PASS}")) + &field("mx.help.example; dmarc=fail"), AUTHENTICATED, "two of ours: the topmost"),
        (format!("Authentication-Results\r\n : mx.help.example; {PASS}\r\n"), UNKNOWN, "no field"),
        (format!("X-Authentication-Results: mx.help.example; {PASS}\r\n"), UNKNOWN, "another field"),
        (format!("ARC-Authentication-Results: i=1; mx.help.example; {PASS}\r\n"), UNKNOWN, "ARC's is not taken yet"),
        (format!("Subject: x\r\nX: {}\r\n", field(&format!("mx.help.example; {PASS}")).trim()), UNKNOWN, "inside of another field"),
        (String::new(), UNKNOWN, "none"),
    ] {
        let judgement = verdict_of(&head);
        assert_eq!(judgement.verdict.word(), expect, "{why}: {judgement:?}");
        assert!(judgement.is_judged() && !judgement.why.is_empty() && judgement.why.len() <= Judgement::WHY_OCTETS_MAX, "{why}");
    }
}

#[test]
fn p8_what_the_results_come_to() {
    for (results, expect, why) in [
        ("dmarc=pass", AUTHENTICATED, "of a mail with one From it can mean no other"),
        ("dmarc=pass header.from=acme.example", UNKNOWN, "another From"),
        ("dmarc=pass header.from=evil.example; dkim=pass header.d=evil.example", UNKNOWN, "another's mail"),
        ("dmarc=pass header.from=shop.acme.example header.from=evil.example", UNKNOWN, "two that differ"),
        ("dmarc=pass header.from=ana@shop.acme.example", AUTHENTICATED, "with the local part"),
        ("dmarc=pass header . from = \"shop.acme.example.\"", AUTHENTICATED, "blanks, quotes, the root's dot"),
        ("dmarc/1=pass header.from=shop.acme.example", AUTHENTICATED, "with the method's version"),
        ("dmarc/2=pass header.from=shop.acme.example", UNKNOWN, "a version of later"),
        ("dmarc/2=fail", UNKNOWN, "the same against him"),
        ("dmarc=pass; dmarc=fail", FAILED, "pass and fail"),
        ("dmarc=pass; dmarc=none", UNKNOWN, "pass and none"),
        ("dmarc=fail header.from=shop.acme.example; dkim=pass header.d=acme.example", FAILED, "dmarc has the last word"),
        ("dmarc=bestguesspass header.from=shop.acme.example", UNKNOWN, "a word of their own"),
        ("dmarc=temperror; spf=fail smtp.mailfrom=acme.example", UNKNOWN, "the DNS did not answer"),
        ("dmarc=none; dkim=pass header.d=acme.example", AUTHENTICATED, "signed by the domain above"),
        ("dkim=pass header.d=shop.acme.example", AUTHENTICATED, "signed by the very domain"),
        ("dkim=pass header.d=x.shop.acme.example", UNKNOWN, "a domain below proves nothing of the one above"),
        ("dkim=pass header.d=me.example", UNKNOWN, "ends alike, and is another"),
        ("dkim=pass header.d=example", UNKNOWN, "one label"),
        ("dkim=pass header.i=@acme.example header.b=\"aB/+\"", AUTHENTICATED, "by identity, as some write it"),
        ("dkim=pass header.d=evil.example header.i=@acme.example", UNKNOWN, "d before i"),
        ("dkim=pass header.d=\u{430}cme.example", UNKNOWN, "a letter that looks alike"),
        ("dkim=fail header.d=acme.example; dkim=pass header.d=acme.example", AUTHENTICATED, "one of two signatures is enough"),
        ("dkim=pass header.d=lists.example; spf=fail smtp.mailfrom=acme.example", UNKNOWN, "through a list: no word against him"),
        ("spf=pass smtp.mailfrom=bounce@acme.example", AUTHENTICATED, "by its return path"),
        ("spf=pass smtp.mailfrom=\"a; dmarc=fail b\"@acme.example", AUTHENTICATED, "quoted"),
        ("spf=pass smtp.mailfrom=<ana@shop.acme.example>", AUTHENTICATED, "in brackets"),
        ("spf=pass smtp.mailfrom=evil.example smtp.helo=acme.example", UNKNOWN, "HELO is nobody's name"),
        ("spf=pass smtp.helo=shop.acme.example", UNKNOWN, "HELO alone"),
        ("spf=pass smtp.mailfrom=", UNKNOWN, "a report's empty path"),
        ("spf=fail smtp.mailfrom=shop.acme.example; dkim=none", FAILED, "all that was tried"),
        ("spf=softfail; dkim=permerror reason=\"bad; key\"", FAILED, "all that was tried"),
        ("spf=hardfail", FAILED, "as it was called before"),
        ("spf=fail; dkim=temperror", UNKNOWN, "one could not be tried"),
        ("spf=neutral; dkim=fail", UNKNOWN, "one says nothing"),
        ("spf=none; dkim=none; dmarc=none", UNKNOWN, "nothing to try"),
        ("x-own=pass; auth=pass smtp.auth=ana; iprev=fail policy.iprev=192.0.2.1", UNKNOWN, "other methods"),
        (
            "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=shop.acme.example; dkim=pass (ok) header.d=acme.example;dmarc=pass \
             action=none header.from=shop.acme.example;compauth=pass reason=100",
            AUTHENTICATED,
            "as one large server writes it",
        ),
        (
            "dkim=pass header.i=@acme.example header.s=s1 header.b=AbC+/9=; spf=pass (x: domain of a@acme.example designates 192.0.2.1 as \
             permitted sender) smtp.mailfrom=a@acme.example; dmarc=pass (p=NONE sp=QUARANTINE dis=NONE) header.from=shop.acme.example",
            AUTHENTICATED,
            "as another does",
        ),
        ("dmarc", UNKNOWN, "a method alone"),
        ("dmarc=", UNKNOWN, "no result"),
        ("dmarc=pass header.from", UNKNOWN, "a property without a value"),
        ("dmarc=pass) header.from=x", UNKNOWN, "a bracket that nobody opened"),
        ("(dmarc=pass header.from=shop.acme.example)", UNKNOWN, "in a comment"),
    ] {
        let judgement = verdict_of(&format!("Authentication-Results: mx.help.example; {results}\r\n"));
        assert_eq!(judgement.verdict.word(), expect, "{why}: {judgement:?}");
    }
}

#[test]
fn p8_a_character_set_turns_no_octets_into_a_name() {
    // Read as the body's ISO-2022-JP or UTF-16 these would be other letters; our server did not read them so, and took nothing out.
    for charset in ["utf-16le", "iso-2022-jp", "utf-7", "windows-1252"] {
        let mut raw = b"Authentication-Results: ".to_vec();
        raw.extend(b"\xff\xfem\0x\0.\0h\0e\0l\0p\0.\0e\0x\0a\0m\0p\0l\0e\0;\0 dmarc=pass\r\n");
        raw.extend(format!("From: ana@shop.acme.example\r\nContent-Type: text/plain; charset={charset}\r\n\r\nx").as_bytes());
        let parsed = normalise(&raw, &NormaliseLimits::default());
        let judgement = judge(parsed.authentication_results.as_deref(), parsed.from.as_ref().map(|f| &f.address), &trusted());
        assert_eq!(judgement.verdict, Verdict::Unknown, "{charset}");
    }
}

#[test]
fn nobody_is_asked_where_nobody_is_named() {
    let from = EmailAddress::parse("a@x.example").unwrap();
    assert_eq!(judge(Some("mx.help.example; dmarc=pass"), Some(&from), &[]), Judgement::default());
    assert_eq!(judge(Some("mx.help.example; dmarc=pass"), None, &trusted()).verdict, Verdict::Unknown, "nobody to speak of");
}

#[test]
fn a_field_is_read_whole() {
    let field = "mx.help.example 1 ; dkim / 1 = fail (c) reason = \"no; key\" header.d = acme.example header.s=s1 ; spf=none";
    let told = AuthenticationResults::parse(field).unwrap();
    let property = |name: &str, value: &str| Property { name: name.to_owned(), value: value.to_owned() };
    let dkim = MethodResult {
        method: "dkim".to_owned(),
        version: 1,
        result: "fail".to_owned(),
        reason: Some("no; key".to_owned()),
        properties: vec![property("header.d", "acme.example"), property("header.s", "s1")],
    };
    assert_eq!((told.authserv_id.as_str(), &told.results[0]), ("mx.help.example", &dkim));
    assert_eq!((told.results[1].method.as_str(), told.results.len()), ("spf", 2));
}

proptest! {
    #[test]
    fn p11_whatever_stands_there_it_is_read_without_harm(value in "\\PC{0,300}", more in "[mx.help example;()\"\\\\=/1a-z]{0,200}") {
        let from = EmailAddress::parse("a@x.example").unwrap();
        for text in [&value, &more, &format!("mx.help.example; {value}"), &format!("mx.help.example;{more}")] {
            let judgement = judge(Some(text), Some(&from), &trusted());
            prop_assert!(!judgement.is_authenticated() || text.contains("pass"));
        }
    }

    #[test]
    fn p8_no_other_name_is_believed(id in "[a-z0-9.-]{1,20}") {
        prop_assume!(!trusted().contains(&id));
        let from = EmailAddress::parse("a@x.example").unwrap();
        prop_assert_eq!(judge(Some(&format!("{id}; dmarc=pass")), Some(&from), &trusted()).verdict, Verdict::Unknown);
    }
}
