use super::*;

fn run(record: &str, ip: &str, zone: &[(&str, &str)]) -> Spf {
    let origin = Origin { ip: ip.parse().unwrap(), hello: "out.acme.example".to_owned(), return_path: "ana.b@acme.example".to_owned() };
    let mut facts = Facts::default();
    for _ in 0..60 {
        let question = match check(&origin, &facts) {
            Ok(result) => return result,
            Err(question) => question,
        };
        let own = [("acme.example", record)];
        let found = || zone.iter().chain(&own).filter(|(name, _)| *name == question.name()).map(|(_, text)| *text);
        let of = |tag: &str| found().filter_map(|text| text.strip_prefix(tag)).map(str::to_owned).collect::<Vec<_>>();
        let answer = if found().any(|text| text == "trouble") {
            Answer::Trouble
        } else {
            match &question {
                Question::Text(_) => Answer::Texts(found().map(|text| text.as_bytes().to_vec()).collect()),
                Question::V4(_) => Answer::Addresses(of("v4 ").iter().map(|ip| ip.parse().unwrap()).collect()),
                Question::V6(_) => Answer::Addresses(of("v6 ").iter().map(|ip| ip.parse().unwrap()).collect()),
                Question::Exchanges(_) => Answer::Exchanges(of("mx ")),
            }
        };
        facts.add(question, answer);
    }
    panic!("it never ends")
}

#[test]
fn records_mean_what_they_say() {
    let zone = [
        ("acme.example", "v4 198.51.100.7"),
        ("acme.example", "mx mx1.acme.example"),
        ("mx1.acme.example", "v4 198.51.100.8"),
        ("six.example", "v6 2001:db8::7"),
        ("p.example", "v=spf1 ip4:198.51.100.7 -all"),
        ("n.example", "v=spf1 -all"),
        ("twice.example", "v=spf1 include:p.example -all"),
        ("loop.example", "v=spf1 include:loop.example -all"),
        ("to.loop.example", "v=spf1 redirect=to.loop.example"),
        ("two.example", "v=spf1 +all"),
        ("two.example", "v=spf1 -all"),
        ("down.example", "trouble"),
        ("7.100.51.198.ok.example", "v4 127.0.0.2"),
        ("b.ana.ok.example", "v4 127.0.0.2"),
    ];
    for (record, ip, expect, why) in [
        ("v=spf1 -all", "198.51.100.7", Spf::Fail, "none may"),
        ("v=spf1 +all", "198.51.100.7", Spf::Pass, "all may"),
        ("v=spf1 ~all", "198.51.100.7", Spf::SoftFail, "softly"),
        ("v=spf1 ?all", "198.51.100.7", Spf::Neutral, "who knows"),
        ("v=spf1", "198.51.100.7", Spf::Neutral, "nothing is said"),
        ("V=SPF1 IP4:198.51.100.7 -ALL", "198.51.100.7", Spf::Pass, "case"),
        ("v=spf10 +all", "198.51.100.7", Spf::None, "another version"),
        ("v=spf1 ip4:198.51.100.0/29 -all", "198.51.100.7", Spf::Pass, "in the network"),
        ("v=spf1 ip4:198.51.100.0/30 -all", "198.51.100.7", Spf::Fail, "beyond it"),
        ("v=spf1 ip4:0.0.0.0/0 -all", "2001:db8::7", Spf::Fail, "another family"),
        ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8::7", Spf::Pass, "IPv6"),
        ("v=spf1 ip4:198.51.100.7/33 -all", "198.51.100.7", Spf::PermError, "33 bits"),
        ("v=spf1 ip4:198.51.100 -all", "198.51.100.7", Spf::PermError, "no address"),
        ("v=spf1 a -all", "198.51.100.7", Spf::Pass, "its own address"),
        ("v=spf1 a/24 -all", "198.51.100.200", Spf::Pass, "around its own"),
        ("v=spf1 a/24//64 -all", "198.51.100.200", Spf::Pass, "both lengths"),
        ("v=spf1 a:six.example//120 -all", "2001:db8::ff", Spf::Pass, "IPv6 around a name"),
        ("v=spf1 a: -all", "198.51.100.7", Spf::PermError, "no name"),
        ("v=spf1 mx -all", "198.51.100.8", Spf::Pass, "its mail server"),
        ("v=spf1 mx -all", "198.51.100.9", Spf::Fail, "not its mail server"),
        ("v=spf1 include:p.example -all", "198.51.100.7", Spf::Pass, "included"),
        ("v=spf1 include:n.example ~all", "198.51.100.7", Spf::SoftFail, "a fail that is included is no match"),
        ("v=spf1 -include:twice.example +all", "198.51.100.7", Spf::Fail, "the outermost qualifier counts"),
        ("v=spf1 include:gone.example +all", "198.51.100.7", Spf::PermError, "nothing to include"),
        ("v=spf1 include:down.example +all", "198.51.100.7", Spf::TempError, "cannot be had"),
        ("v=spf1 include:two.example +all", "198.51.100.7", Spf::PermError, "two records"),
        ("v=spf1 include:loop.example +all", "198.51.100.7", Spf::PermError, "a loop"),
        ("v=spf1 redirect=to.loop.example", "198.51.100.7", Spf::PermError, "a loop of redirects"),
        ("v=spf1 redirect=p.example", "198.51.100.7", Spf::Pass, "redirected"),
        ("v=spf1 redirect=gone.example", "198.51.100.7", Spf::PermError, "to nowhere"),
        ("v=spf1 redirect=p.example -all", "198.51.100.7", Spf::Fail, "all comes before redirect"),
        ("v=spf1 redirect=p.example redirect=p.example", "198.51.100.7", Spf::PermError, "twice"),
        ("v=spf1 exists:%{ir}.ok.example -all", "198.51.100.7", Spf::Pass, "the address, reversed"),
        ("v=spf1 exists:%{ir}.ok.example -all", "198.51.100.8", Spf::Fail, "another address: exists is asked for"),
        ("v=spf1 exists:%{lr}.ok.example -all", "198.51.100.8", Spf::Pass, "the local part, reversed"),
        ("v=spf1 exists:%{z}.ok.example -all", "198.51.100.8", Spf::PermError, "no such macro"),
        ("v=spf1 exists:%{i -all", "198.51.100.8", Spf::PermError, "a macro that does not end"),
        ("v=spf1 ptr -all", "198.51.100.7", Spf::PermError, "not followed"),
        ("v=spf1 burn -all", "198.51.100.7", Spf::PermError, "no such mechanism"),
        ("v=spf1 unknown=x +all", "198.51.100.7", Spf::Pass, "unknown modifiers are passed over"),
        (
            "v=spf1 a:a.gone.example a:b.gone.example a:c.gone.example a:d.gone.example +all",
            "198.51.100.7",
            Spf::PermError,
            "too many that are not there",
        ),
        ("v=spf1 a a a a a a a a a a a +all", "198.51.100.9", Spf::PermError, "eleven look-ups"),
    ] {
        assert_eq!(run(record, ip, &zone), expect, "{why}: {record}");
    }
}
