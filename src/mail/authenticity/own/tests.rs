//! Mails signed here, against a zone that the test writes down.

use super::*;
use base64::Engine as _;
use mail_auth::AuthenticationResults as Results;
use mail_auth::arc::ArcSealer;
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256, SigningKey};
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::{DkimSigner, Done};

const MAIL: &str = "From: Ana <ana@acme.example>\r\nTo: support@desk.example\r\nSubject: Printer\r\n\
                    Date: Tue, 14 Oct 2025 09:30:00 +0000\r\nMessage-ID: <1@acme.example>\r\n\r\nThe printer is on fire.\r\n";
const FIELDS: [&str; 5] = ["From", "To", "Subject", "Date", "Message-ID"];

struct Key(Vec<u8>);

impl Key {
    fn new() -> Self {
        Self(Ed25519Key::generate_pkcs8().unwrap())
    }

    fn key(&self) -> Ed25519Key {
        Ed25519Key::from_pkcs8_der(&self.0).unwrap()
    }

    fn record(&self) -> String {
        format!("v=DKIM1; k=ed25519; p={}", base64::engine::general_purpose::STANDARD.encode(self.key().public_key()))
    }
}

fn rsa() -> RsaKey<Sha256> {
    let pem = include_str!("../../../../tests/fixtures/keys/rsa-2048.pem");
    #[expect(deprecated, reason = "the other way takes a crate more")]
    RsaKey::<Sha256>::from_pkcs8_pem(pem).unwrap()
}

const RSA_RECORD: &str = concat!("v=DKIM1; k=rsa; p=", include_str!("../../../../tests/fixtures/keys/rsa-2048.pub"));

fn signer<T: SigningKey>(key: T, domain: &str) -> DkimSigner<T, Done> {
    DkimSigner::from_key(key).domain(domain).selector("s").headers(FIELDS)
}

fn signed<T: SigningKey>(signer: &DkimSigner<T, Done>, mail: &str) -> String {
    format!("{}{mail}", signer.sign(mail.as_bytes()).unwrap().to_header())
}

/// Names with their text, mail servers (`mx …`), address (`v4 …`), or `trouble`; what is not there does not exist.
fn answer(zone: &[(&str, &str)], question: &Question) -> Answer {
    let found: Vec<&str> = zone.iter().filter(|(name, _)| *name == question.name()).map(|(_, text)| *text).collect();
    let of = |tag: &str| found.iter().filter_map(|text| text.strip_prefix(tag)).map(str::to_owned).collect::<Vec<_>>();
    if found == ["trouble"] {
        return Answer::Trouble;
    }
    match question {
        Question::Text(_) => Answer::Texts(found.iter().map(|text| text.as_bytes().to_vec()).collect()),
        Question::V4(_) => Answer::Addresses(of("v4 ").iter().map(|ip| ip.parse().unwrap()).collect()),
        Question::V6(_) => Answer::Addresses(of("v6 ").iter().map(|ip| ip.parse().unwrap()).collect()),
        Question::Exchanges(_) => Answer::Exchanges(of("mx ")),
    }
    .bounded()
}

fn check_at(mail: &str, zone: &[(&str, &str)], check: &SenderCheck, now: Timestamp) -> Judgement {
    let line = mail.lines().find_map(|line| line.strip_prefix("From: "));
    let address = line.map(|line| line.split_once('<').map_or(line, |(_, address)| address).trim_end_matches('>'));
    let from = address.and_then(|address| EmailAddress::parse(address).ok());
    let survey = match survey(mail.as_bytes(), from.as_ref(), check) {
        Ok(survey) => survey,
        Err(judgement) => return judgement,
    };
    let mut facts: Facts = survey.questions().iter().map(|question| (question.clone(), answer(zone, question))).collect();
    let signed = verify(mail.as_bytes(), &survey, &facts, now);
    for _ in 0..40 {
        match weigh(&survey, &signed, &facts) {
            Step::Judged(judgement) => return judgement,
            Step::Ask(question) => {
                let answer = answer(zone, &question);
                facts.add(question, answer);
            }
        }
    }
    panic!("it never ends")
}

fn check(mail: &str, zone: &[(&str, &str)]) -> (String, String) {
    shown(check_at(mail, zone, &SenderCheck::default(), Timestamp::now()))
}

fn shown(judgement: Judgement) -> (String, String) {
    assert!(judgement.is_judged() && judgement.basis == Basis::OwnCheck && judgement.why.lines().count() == 1, "{judgement:?}");
    let domain = match &judgement.verdict {
        Verdict::Authenticated { domain } => format!(" {domain}"),
        Verdict::Failed | Verdict::Unknown => String::new(),
    };
    (format!("{}{domain}", judgement.verdict.word()), judgement.why)
}

#[test]
fn p9_signatures_and_policies() {
    let key = Key::new();
    let record = key.record();
    let at = |domain: &str| format!("s._domainkey.{domain}");
    let (own, below, evil) = (at("acme.example"), at("mail.acme.example"), at("evil.example"));
    let reject = ("_dmarc.acme.example", "v=DMARC1; p=reject");
    let keys = [(own.as_str(), record.as_str()), (below.as_str(), record.as_str()), (evil.as_str(), record.as_str())];
    let with = |policy: &'static str| [&keys[..], &[("_dmarc.acme.example", policy)]].concat();
    let good = signed(&signer(key.key(), "acme.example"), MAIL);
    let of_evil = signed(&signer(key.key(), "evil.example"), MAIL);
    let of_below = signed(&signer(key.key(), "mail.acme.example"), MAIL);
    let from_below = signed(&signer(key.key(), "acme.example"), &MAIL.replace("ana@acme", "ana@mail.acme"));
    let with_length = signed(&signer(key.key(), "acme.example").body_length(true), MAIL);
    let no_from = signed(&DkimSigner::from_key(key.key()).domain("acme.example").selector("s").headers(["To", "Subject"]), MAIL);
    let oh = "authenticated acme.example";
    for (mail, zone, verdict, why) in [
        (good.clone(), with("v=DMARC1; p=reject"), oh, "good"),
        (good.clone(), keys.to_vec(), oh, "good, and no policy"),
        (good.replace("\r\n", "\n"), keys.to_vec(), oh, "as a Maildir has it"),
        (good.replace("on fire", "fine"), with("v=DMARC1; p=reject"), "failed", "another body"),
        (good.replace("Printer", "Money"), with("v=DMARC1; p=quarantine"), "failed", "another subject"),
        (good.replace("Printer", "Money"), with("v=DMARC1; p=none"), "unknown", "the domain does not mind"),
        (good.replace("Printer", "Money"), with("v=DMARC1; p=quarantine; pct=10"), "unknown", "nor much"),
        (good.replace("Printer", "Money"), keys.to_vec(), "unknown", "no policy"),
        (MAIL.to_owned(), vec![reject], "failed", "not signed"),
        (MAIL.to_owned(), vec![], "unknown", "a domain without anything"),
        (of_evil.clone(), with("v=DMARC1; p=reject"), "failed", "another domain's"),
        (of_evil.clone(), keys.to_vec(), "unknown", "another domain's, and no policy"),
        (format!("{}{good}", of_evil.strip_suffix(MAIL).unwrap()), with("v=DMARC1; p=reject"), oh, "two, one of which counts"),
        (
            format!("{}{good}", good.strip_suffix(MAIL).unwrap().replace("s=s", "s=gone")),
            with("v=DMARC1; p=reject"),
            oh,
            "two, one without a key",
        ),
        (of_below.clone(), with("v=DMARC1; p=reject"), oh, "relaxed: a name below"),
        (of_below.clone(), with("v=DMARC1; p=reject; adkim=s"), "failed", "strict"),
        (of_below.clone(), [&keys[..], &[("_dmarc.acme.example", "trouble")]].concat(), "unknown", "perhaps strict"),
        (good.clone(), [&keys[..], &[("_dmarc.acme.example", "trouble")]].concat(), oh, "the very domain needs no policy"),
        (from_below.clone(), with("v=DMARC1; p=reject"), oh, "a name above"),
        (from_below.replace("fire", "ice"), with("v=DMARC1; p=none; sp=reject"), "failed", "the policy for names below"),
        (from_below.replace("fire", "ice"), with("v=DMARC1; p=reject; sp=none"), "unknown", "the policy for names below"),
        (with_length.clone(), with("v=DMARC1; p=reject"), "failed", "l= is not believed"),
        (format!("{with_length}And more.\r\n"), with("v=DMARC1; p=reject"), "failed", "what l= is used for"),
        (no_from, with("v=DMARC1; p=reject"), "failed", "From is not signed"),
        (good.clone(), vec![reject, (own.as_str(), "trouble")], "unknown", "the key cannot be had now"),
        (good.clone(), vec![reject], "failed", "there is no key"),
        (good.clone(), vec![reject, (own.as_str(), "v=DKIM1; k=ed25519; p=")], "failed", "the key was revoked"),
        (good.clone(), vec![reject, (own.as_str(), "v=spf1 -all")], "failed", "no key"),
        (good.clone(), vec![reject, (own.as_str(), "v=spf1 -all"), (own.as_str(), record.as_str())], oh, "a key among others"),
        (format!("Subject: Money\r\n{good}"), with("v=DMARC1; p=reject"), "unknown", "two subjects"),
        (format!("Content-Type: text/html\r\nContent-type: text/plain\r\n{good}"), keys.to_vec(), "unknown", "two types"),
        (format!("From: <b@b.example>\r\n{good}"), with("v=DMARC1; p=reject"), "unknown", "two senders"),
    ] {
        let (found, told) = check(&mail, &zone);
        assert_eq!(found, verdict, "{why}: {told}\n{mail}");
        assert!(!told.is_empty(), "{why}");
    }
    let expiring = signed(&signer(key.key(), "acme.example").expiration(600), MAIL);
    for (after, verdict) in [(0, oh), (599, oh), (601, "failed")] {
        let now = Timestamp::now() + jiff::SignedDuration::from_secs(after);
        let found = shown(check_at(&expiring, &with("v=DMARC1; p=reject"), &SenderCheck::default(), now));
        assert_eq!(found.0, verdict, "{after}: {}", found.1);
    }
    let by_rsa = signed(&signer(rsa(), "acme.example"), MAIL);
    assert_eq!(check(&by_rsa, &[reject, (own.as_str(), RSA_RECORD.trim())]).0, oh, "RSA");
    assert_eq!(check(&by_rsa, &[reject, (own.as_str(), record.as_str())]).0, "failed", "a key of another kind");
    // A suffix that belongs to nobody vouches for nobody.
    let mail = signed(&signer(key.key(), "evil.co.uk"), &MAIL.replace("ana@acme.example", "ana@acme.co.uk"));
    assert_eq!(check(&mail, &[("s._domainkey.evil.co.uk", &record), ("_dmarc.acme.co.uk", "v=DMARC1;p=reject")]).0, "failed", "co.uk");
    assert_eq!(
        check(&mail, &[("s._domainkey.evil.co.uk", &record), ("_dmarc.co.uk", "v=DMARC1;p=reject")]).0,
        "unknown",
        "co.uk has no say"
    );
}

#[test]
fn p9_where_a_mail_came_from_counts_by_our_relay_alone() {
    let relayed = |ip: &str, path: &str| {
        format!(
            "Return-Path: <{path}>\r\nReceived: from out.acme.example (out.acme.example [{ip}])\r\n by mx.desk.example with ESMTP; Tue\r\n{MAIL}"
        )
    };
    let zone = |spf: &'static str| {
        vec![
            ("_dmarc.acme.example", "v=DMARC1; p=reject"),
            ("acme.example", spf),
            ("bounce.acme.example", spf),
            ("evil.example", "v=spf1 +all"),
        ]
    };
    let strict = vec![("_dmarc.acme.example", "v=DMARC1; p=reject; aspf=s"), ("bounce.acme.example", "v=spf1 +all")];
    let named = SenderCheck { relays: vec!["mx.desk.example".to_owned()], ..SenderCheck::default() };
    let here = "198.51.100.7";
    for (mail, zone, check, verdict, why) in [
        (relayed(here, "a@acme.example"), zone("v=spf1 ip4:198.51.100.0/24 -all"), &named, "authenticated acme.example", "passes"),
        (relayed(here, "a@bounce.acme.example"), zone("v=spf1 ip4:198.51.100.0/24 -all"), &named, "authenticated acme.example", "relaxed"),
        (relayed(here, "a@bounce.acme.example"), strict, &named, "failed", "strict"),
        (relayed("203.0.113.1", "a@acme.example"), zone("v=spf1 ip4:198.51.100.0/24 -all"), &named, "failed", "from elsewhere"),
        (relayed(here, "a@evil.example"), zone("v=spf1 -all"), &named, "failed", "passes for another"),
        (relayed(here, ""), zone("v=spf1 +all"), &named, "failed", "no path: the greeting has no record"),
        (relayed(here, "a@acme.example"), zone("trouble"), &named, "unknown", "the record cannot be had now"),
        (
            relayed(here, "a@acme.example"),
            zone("v=spf1 +all"),
            &SenderCheck::default(),
            "failed",
            "no relay is named: not known, never a pass",
        ),
        (relayed(here, "a@acme.example").replace("by mx.desk", "by mx.evil"), zone("v=spf1 +all"), &named, "failed", "another wrote it"),
    ] {
        let (found, told) = shown(check_at(&mail, &zone, check, Timestamp::now()));
        assert_eq!(found, verdict, "{why}: {told}");
    }
}

/// A list that got a good mail, put words under it, and sealed it.
fn through_list(key: &Key, zone: &[(&str, &str)], sealer: &str) -> String {
    let sent = signed(&signer(key.key(), "acme.example"), MAIL);
    let outputs_of = AuthenticatedMessage::parse(sent.as_bytes()).unwrap();
    let survey = survey(sent.as_bytes(), Some(&EmailAddress::parse("ana@acme.example").unwrap()), &SenderCheck::default()).unwrap();
    let facts: Facts = survey.questions().iter().map(|question| (question.clone(), answer(zone, question))).collect();
    let at_list = Zone::of(&facts, &survey);
    let dkim = now_or_never(crypto().unwrap().verify_dkim(at_list.with(&outputs_of))).unwrap();
    let results = Results::new("mx.list.example").with_dkim_results(&dkim, "ana@acme.example");
    let sent_on = format!("{sent}-- \r\nThe list\r\n");
    let message = AuthenticatedMessage::parse(sent_on.as_bytes()).unwrap();
    let sealer = ArcSealer::from_key(key.key())
        .domain(sealer)
        .selector("s")
        .headers(["From", "To", "Subject", "Date", "Message-ID", "DKIM-Signature"])
        .seal(&message, &results, &mail_auth::ArcOutput::default())
        .unwrap();
    format!("{}{sent_on}", sealer.to_header())
}

#[test]
fn p9_what_a_trusted_sealer_saw() {
    let key = Key::new();
    let record = key.record();
    let zone = [
        ("_dmarc.acme.example", "v=DMARC1; p=reject"),
        ("s._domainkey.acme.example", record.as_str()),
        ("s._domainkey.list.example", record.as_str()),
    ];
    let trusting = SenderCheck { trusted_arc_sealers: vec!["list.example".to_owned()], ..SenderCheck::default() };
    let mail = through_list(&key, &zone, "list.example");
    for (mail, zone, check, verdict, why) in [
        (mail.clone(), &zone[..], &trusting, "authenticated acme.example", "sealed by one that is trusted"),
        (mail.clone(), &zone[..], &SenderCheck::default(), "failed", "nobody is trusted"),
        (through_list(&key, &zone, "evil.example"), &zone[..], &trusting, "failed", "another sealer"),
        (mail.replace("The list", "The fist"), &zone[..], &trusting, "failed", "changed after the seal"),
        (mail.replace("dkim=pass", "dkim=fail"), &zone[..], &trusting, "failed", "another result than was sealed"),
        (mail.replace("i=1;", "i=2;"), &zone[..], &trusting, "failed", "a chain with a gap"),
        (mail.clone(), &zone[..2], &trusting, "failed", "the sealer has no key"),
        (mail.replace("ana@acme", "eve@acme"), &zone[..], &trusting, "failed", "another sender"),
    ] {
        let (found, told) = shown(check_at(&mail, zone, check, Timestamp::now()));
        assert_eq!(found, verdict, "{why}: {told}\n{mail}");
    }
}

#[test]
fn p11_what_a_stranger_can_make_it_do() {
    let key = Key::new();
    let record = key.record();
    let good = signed(&signer(key.key(), "acme.example"), MAIL);
    let header = good.strip_suffix(MAIL).unwrap();
    let from = EmailAddress::parse("ana@acme.example").unwrap();
    let many: String = (0..500).map(|n| header.replace("s=s", &format!("s=s{n}"))).collect();
    let found = survey(format!("{many}{MAIL}").as_bytes(), Some(&from), &SenderCheck::default()).unwrap();
    assert_eq!(found.questions().len(), SIGNATURES_MAX + 1, "500 signatures: so many keys, and the policy");
    let zone = [("_dmarc.acme.example", "v=DMARC1; p=reject"), ("s._domainkey.acme.example", record.as_str())];
    assert_eq!(check(&format!("{many}{good}"), &zone).0, "failed", "the good one below 500 is not reached");

    let large = format!("{record}; n={}", "x".repeat(1 << 20));
    assert_eq!(check(&good, &[zone[0], ("s._domainkey.acme.example", &large)]).0, "failed", "a record of 1 MB counts as none");

    let fields = "X: y\r\n".repeat(FIELDS_MAX);
    assert_eq!(check(&format!("{fields}{good}"), &zone).0, "unknown", "too many fields");
    let long = format!("X: {}\r\n", "y".repeat(HEAD_OCTETS_MAX));
    assert_eq!(check(&format!("{long}{good}"), &zone).0, "unknown", "too long a head");
    let odd = header.replace("d=acme.example", "d=..%00.").replace("s=s;", "s=\"a b\";");
    assert_eq!(check(&format!("{odd}{MAIL}"), &zone).0, "failed", "names that cannot be asked for");
    for junk in ["", "\r\n", ":", "From:", "DKIM-Signature: ;;;==\r\n\r\n", "ARC-Seal: i=99999999999999999999; d=list.example\r\n\r\n"] {
        let check = SenderCheck { relays: vec!["a.example".to_owned()], trusted_arc_sealers: vec!["list.example".to_owned()] };
        for mail in [junk.to_owned(), format!("{junk}{MAIL}"), format!("{MAIL}{junk}")] {
            if let Ok(survey) = survey(mail.as_bytes(), Some(&from), &check) {
                let facts = Facts::default();
                let _ = weigh(&survey, &verify(mail.as_bytes(), &survey, &facts, Timestamp::now()), &facts);
            }
        }
    }
}
