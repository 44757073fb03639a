//! What servers do that they should not, at each command of a session: the table that the promises are held against.

use super::peer::{Quirk, Shop};

type Act = fn() -> Quirk;

/// One oddity: at which command, how often, and what.
#[derive(Clone)]
pub(super) struct Odd {
    pub(super) name: String,
    /// As [`kind`] has it.
    pub(super) at: &'static str,
    /// So many commands of that kind go well first.
    pub(super) skip: usize,
    pub(super) times: usize,
    pub(super) act: Act,
    pub(super) lets: Lets,
}

/// What such a server cannot be blamed for.
#[expect(clippy::struct_excessive_bools, reason = "each is a leniency of its own")]
#[derive(Clone, Copy, Default)]
pub(super) struct Lets {
    /// The same mail is handed over more than once; the desk knows it (P2).
    pub(super) again: bool,
    /// A copy whose answer was lost is made once more.
    pub(super) copies: bool,
    /// Mail with this word need not land: the server never gives it, or it is gone.
    pub(super) without: Option<&'static str>,
    /// Where the cursor alone tells what was taken in, that mail is passed over, too.
    pub(super) without_by_cursor: Option<&'static str>,
    /// Settling is refused for ever.
    pub(super) unsettled: bool,
    /// Something is left to be tried for ever.
    pub(super) backlog: bool,
}

/// What sort of command a line is.
pub(super) fn kind(line: &str) -> &'static str {
    const STARTS: [(&str, &str); 17] = [
        ("GREETING", "GREETING"),
        ("CAPABILITY", "CAPABILITY"),
        ("AUTHENTICATE", "AUTHENTICATE"),
        ("SASL", "SASL"),
        ("SELECT", "SELECT"),
        ("UID SEARCH DELETED", "DELETED"),
        ("UID SEARCH", "SEARCH"),
        ("UID FETCH", "BODY"),
        ("UID STORE", "STORE"),
        ("UID MOVE", "MOVE"),
        ("UID COPY", "COPY"),
        ("UID EXPUNGE", "EXPUNGE"),
        ("EXPUNGE", "EXPUNGE"),
        ("IDLE", "IDLE"),
        ("DONE", "DONE"),
        ("NOOP", "NOOP"),
        ("LOGOUT", "LOGOUT"),
    ];
    match STARTS.iter().find(|(start, _)| line.starts_with(start)) {
        Some((_, "BODY")) if !line.contains("BODY") => "SIZE",
        Some((_, kind)) => kind,
        None => "OTHER",
    }
}

/// All that a server may say at any time: none of it is an answer.
const CHATTER: &str = concat!(
    "* OK [ALERT]Überlastung {3}\r\n* OK\r\n* NO [OVERQUOTA] full\r\n* 1 FETCH (FLAGS (\\Seen) MODSEQ (4))\r\n",
    "* 2 FETCH (FLAGS (\\Seen))\r\n* 9 FETCH (UID 99 X-NEW (a (\"b)\")) FLAGS (ümlaut))\r\n* 9 FETCH (UID 99 BODY[] {3}\r\nbad)\r\n",
    "* LIST () \"/\" {3}\r\nabc\r\n* VANISHED 99\r\n* XNEW whatever\r\n* STATUS INBOX (MESSAGES 3 )\r\n* 1 RECENT\r\n",
    "* FLAGS (\\Seen \\Answered)\r\n* OK [HIGHESTMODSEQ 7]\r\n* CAPABILITY IMAP4rev1  X\r\n",
);

fn half(_: &mut Shop, answer: &str) -> String {
    let mut end = answer.len() / 2;
    while !answer.is_char_boundary(end) {
        end -= 1;
    }
    answer[..end].to_owned()
}

fn without_end(_: &mut Shop, answer: &str) -> String {
    answer[..answer.rfind("TAG ").unwrap_or(0)].to_owned()
}

fn nothing(_: &mut Shop, _: &str) -> String {
    String::new()
}

fn chatter_before(_: &mut Shop, answer: &str) -> String {
    CHATTER.to_owned() + answer
}

fn chatter_between(_: &mut Shop, answer: &str) -> String {
    answer.replace("\r\n* ", &format!("\r\n{CHATTER}* ")).replace("TAG OK", &format!("{CHATTER}TAG OK"))
}

fn other_letters(_: &mut Shop, answer: &str) -> String {
    let pairs = [
        ("* SEARCH", "*  search "),
        (" FETCH (UID", "  fetch ( uid "),
        ("FLAGS (", "Flags  ( "),
        ("RFC822.SIZE", "rfc822.size "),
        ("BODY[]", "Body[] "),
        ("UIDVALIDITY", "uidvalidity "),
        ("EXISTS", "exists "),
        ("EXPUNGE", "expunge"),
        ("CAPABILITY", "capability "),
        ("TAG OK", "TAG ok "),
    ];
    pairs.iter().fold(answer.to_owned(), |answer, (plain, odd)| answer.replace(plain, odd))
}

fn validity_told(shop: &mut Shop, answer: &str) -> String {
    shop.renumber(shop.uid_validity + 1, 3);
    format!("* OK [UIDVALIDITY {}] changed\r\n{answer}", shop.uid_validity)
}

fn validity_while_away(shop: &mut Shop, _: &str) -> String {
    shop.renumber(shop.uid_validity + 1, 1);
    String::new()
}

/// The answer's single responses, each with its end of line; the mails of the tests have no line like one.
fn responses(answer: &str) -> Vec<String> {
    let marked = answer.replace("\r\n* ", "\r\n\0* ").replace("\r\nTAG ", "\r\n\0TAG ");
    marked.split('\0').map(str::to_owned).collect()
}

fn each(answer: &str, change: impl Fn(&str) -> String) -> String {
    responses(answer).iter().map(|response| change(response)).collect()
}

/// Changes what is said of one mail.
fn of_three(answer: &str, change: impl Fn(&str) -> String) -> String {
    each(answer, |response| if response.contains("UID 3 ") { change(response) } else { response.to_owned() })
}

fn with_size(answer: &str, size: &str) -> String {
    each(answer, |response| match response.split_once("RFC822.SIZE ") {
        Some((before, behind)) => format!("{before}RFC822.SIZE {size}{}", behind.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => response.to_owned(),
    })
}

/// The same answer with another length of each literal.
fn with_length(answer: &str, change: impl Fn(usize) -> String) -> String {
    match answer.split_once('{') {
        Some((before, behind)) => {
            let (digits, behind) = behind.split_once('}').unwrap();
            format!("{before}{}{behind}", change(digits.parse().unwrap()))
        }
        None => answer.to_owned(),
    }
}

fn quoted(answer: &str) -> String {
    let Some((before, behind)) = answer.split_once('{') else { return answer.to_owned() };
    let (digits, behind) = behind.split_once("}\r\n").unwrap();
    let (mail, behind) = behind.split_at(digits.parse().unwrap());
    // No quoted string has a line end (RFC 9051 section 4.3).
    if mail.contains('\n') {
        return answer.to_owned();
    }
    format!("{before}\"{}\"{behind}", mail.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Each state of a session, and each thing that can go wrong in any of them.
pub(super) fn everywhere() -> Vec<Odd> {
    const STATES: [&str; 15] = [
        "GREETING",
        "CAPABILITY",
        "AUTHENTICATE",
        "SASL",
        "SELECT",
        "SEARCH",
        "SIZE",
        "BODY",
        "STORE",
        "MOVE",
        "COPY",
        "EXPUNGE",
        "IDLE",
        "DONE",
        "NOOP",
    ];
    const ACTS: [(&str, Act); 14] = [
        ("closes", || Quirk::Close("")),
        ("says BYE", || Quirk::Close("* BYE\r\n")),
        ("closes within its answer", || Quirk::Twist(half, true)),
        ("closes before the end of its answer", || Quirk::Twist(without_end, true)),
        ("does it and closes without an answer", || Quirk::Twist(nothing, true)),
        ("NO", || Quirk::Say("TAG NO [SERVERBUG] later\r\n")),
        ("BAD", || Quirk::Say("TAG BAD what?\r\n")),
        ("nonsense", || Quirk::Say("Dear support,\r\n")),
        ("chatters first", || Quirk::Twist(chatter_before, false)),
        ("chatters all the time", || Quirk::Twist(chatter_between, false)),
        ("other letters and spaces", || Quirk::Twist(other_letters, false)),
        ("UIDVALIDITY changes, told", || Quirk::Twist(validity_told, false)),
        ("UIDVALIDITY changes, closed", || Quirk::Twist(validity_while_away, true)),
        ("the daemon is killed", || Quirk::Change(|shop| shop.kill = true)),
    ];
    let mut all = Vec::new();
    for at in STATES {
        for (act_name, act) in ACTS {
            // A line that is none is a question's answer in the middle of a sign-in; CAPABILITY's spelling is another test's.
            if matches!(
                (at, act_name),
                ("GREETING", "NO" | "BAD") | ("GREETING" | "CAPABILITY" | "SASL" | "AUTHENTICATE", "UIDVALIDITY changes, told")
            ) {
                continue;
            }
            let lets = Lets {
                again: act_name.contains("UIDVALIDITY") || act_name.contains("killed"),
                // What was copied is known to the process and under these UIDs alone; and see `settle` on a lost answer.
                copies: at == "COPY" && act_name.contains("answer") || act_name.contains("UIDVALIDITY") || act_name.contains("killed"),
                ..Lets::default()
            };
            for (skip, times) in [(0, 1), (1, 1), (0, 3)] {
                let is_refusal = matches!(act_name, "NO" | "BAD" | "closes within its answer");
                let is_mail = matches!(at, "SEARCH" | "SIZE" | "BODY" | "MOVE" | "COPY" | "STORE" | "EXPUNGE");
                if (skip, times) != (0, 1) && (!is_mail || times == 3 && !is_refusal) {
                    continue;
                }
                all.push(Odd { name: format!("{at}: {act_name}, {times} times after {skip}"), at, skip, times, act, lets });
            }
        }
    }
    all
}

/// What concerns one command alone.
pub(super) fn special() -> Vec<Odd> {
    const EVER: usize = usize::MAX;
    let plain = Lets::default();
    let never_three = Lets { without: Some("Subject: three"), backlog: true, ..plain };
    let never_settled = Lets { unsettled: true, backlog: true, ..plain };
    #[rustfmt::skip]
    let table: Vec<(&str, usize, Act, Lets, &str)> = vec![
        ("GREETING", 1, || Quirk::Change(|shop| shop.trickles = true), plain, "trickles"),
        ("SELECT", 3, || Quirk::Change(|shop| shop.renumber(shop.uid_validity + 1, 1)), Lets { again: true, copies: true, ..plain }, "another UIDVALIDITY at each SELECT"),
        ("SELECT", EVER, || Quirk::Twist(|_, answer| answer.replace("* OK [UIDNEXT", "* OK [X"), false), plain, "no UIDNEXT"),
        ("SELECT", 1, || Quirk::Twist(|_, answer| answer.replace("* OK [UIDVALIDITY", "* OK [X"), false), plain, "no UIDVALIDITY once"),
        ("SEARCH", EVER, || Quirk::Twist(|_, answer| { let mut words: Vec<&str> = answer.split("\r\n").next().unwrap().split(' ').skip(2).collect(); words.reverse(); format!("* SEARCH {}\r\nTAG OK\r\n", words.join(" ")) }, false), plain, "not ascending"),
        ("SEARCH", EVER, || Quirk::Twist(|_, answer| answer.replacen("SEARCH 1 2 3", "SEARCH 1 2\r\n* SEARCH 2 3", 1), false), plain, "in two answers"),
        ("SEARCH", EVER, || Quirk::Twist(|_, answer| { let uids = answer.split("\r\n").next().unwrap().split(' ').skip(2).collect::<Vec<_>>().join(","); let all = if uids.is_empty() { String::new() } else { format!(" ALL {uids}") }; format!("* ESEARCH (TAG \"TAG\") UID{all}\r\nTAG OK\r\n") }, false), plain, "as IMAP4rev2 alone has it"),
        ("SEARCH", 2, || Quirk::Twist(|_, answer| answer.replacen("SEARCH", "SEARCH 77", 1), false), plain, "a mail that is not there"),
        ("SEARCH", 1, || Quirk::Twist(|_, answer| answer.replacen(" 1 2 3 ", " 1 2 ", 1), false), Lets { without_by_cursor: Some("Subject: three"), ..plain }, "one is hidden once"),
        ("SEARCH", 1, || Quirk::Say("* SEARCH\r\nTAG OK\r\n"), plain, "all are hidden once"),
        ("SIZE", EVER, || Quirk::Twist(|_, answer| with_size(answer, "0"), false), plain, "of no size"),
        ("SIZE", EVER, || Quirk::Twist(|_, answer| with_size(answer, "7"), false), plain, "too small"),
        ("SIZE", EVER, || Quirk::Twist(|_, answer| with_size(answer, "999999"), false), plain, "past the limit"),
        ("SIZE", EVER, || Quirk::Twist(|_, answer| with_size(answer, "5368709120"), false), plain, "more than 4 GiB"),
        ("SIZE", EVER, || Quirk::Twist(|_, answer| of_three(answer, |one| with_size(one, "5368709120")), false), plain, "one of more than 4 GiB"),
        ("SIZE", EVER, || Quirk::Twist(|_, answer| with_size(answer, "-1"), false), plain, "no number, ever"),
        ("SIZE", EVER, || Quirk::Twist(|_, answer| of_three(answer, |_| String::new()), false), never_three, "one has no size, ever"),
        ("SIZE", 4, || Quirk::Twist(|_, answer| of_three(answer, |_| String::new()), false), plain, "one has no size for a while"),
        ("SIZE", EVER, || Quirk::Twist(|_, answer| if answer.contains("UID 3 ") { "TAG NO cannot open\r\n".into() } else { answer.to_owned() }, false), plain, "NO whenever one is asked for"),
        ("SIZE", EVER, || Quirk::Twist(|_, answer| each(answer, |one| format!("{one}{one}").replace("TAG OK\r\nTAG", "TAG")), false), plain, "each twice"),
        ("BODY", EVER, || Quirk::Twist(|_, answer| with_size(answer, "5368709120"), false), plain, "more than 4 GiB, with the content"),
        ("BODY", EVER, || Quirk::Twist(|_, answer| each(answer, |one| if one.starts_with('*') { one.repeat(2) } else { one.to_owned() }), false), plain, "each twice"),
        ("BODY", EVER, || Quirk::Twist(|_, answer| { let mut all = responses(answer); let end = all.pop().unwrap(); all.reverse(); all.concat() + &end }, false), plain, "not ascending"),
        ("BODY", 3, || Quirk::Twist(|_, answer| of_three(answer, |one| one.replace("UID 3 ", "")), false), plain, "one without its UID"),
        ("BODY", 4, || Quirk::Twist(|_, answer| of_three(answer, |_| String::new()), false), plain, "one is not given for a while"),
        ("BODY", EVER, || Quirk::Twist(|_, answer| of_three(answer, |_| String::new()), false), never_three, "one is never given"),
        ("BODY", 2, || Quirk::Twist(|_, answer| of_three(answer, |_| "* 3 FETCH (UID 3 BODY[] NIL)\r\n".into()), false), plain, "NIL for a while"),
        ("BODY", EVER, || Quirk::Twist(|_, answer| of_three(answer, |_| "* 3 FETCH (UID 3 BODY[] NIL)\r\n".into()), false), never_three, "NIL for ever"),
        ("BODY", EVER, || Quirk::Twist(|_, answer| each(answer, quoted), false), plain, "quoted, where it can be"),
        ("BODY", EVER, || Quirk::Twist(|_, answer| each(answer, |one| with_length(one, |n| format!("~{{{n}}}"))), false), plain, "literal8"),
        ("BODY", EVER, || Quirk::Twist(|_, answer| each(answer, |one| with_length(one, |n| format!("{{{n}+}}"))), false), plain, "as clients write literals"),
        ("BODY", 1, || Quirk::Twist(|_, answer| of_three(answer, |one| with_length(one, |n| format!("{{{}}}", n - 4))), false), plain, "shorter than it is, once"),
        ("BODY", EVER, || Quirk::Twist(|_, answer| of_three(answer, |one| with_length(one, |n| format!("{{{}}}", n - 4))), false), never_three, "shorter than it is, ever"),
        ("BODY", 1, || Quirk::Twist(|_, answer| of_three(answer, |one| with_length(one, |n| format!("{{{}}}", n + 40))), true), plain, "longer than it is, once"),
        ("BODY", EVER, || Quirk::Twist(|_, answer| if answer.contains("UID 3 ") { "TAG NO cannot open\r\n".into() } else { answer.to_owned() }, false), never_three, "NO whenever one is asked for"),
        ("BODY", EVER, || Quirk::Twist(|_, answer| if answer.contains("UID 3 ") { of_three(answer, |_| String::new()).replace("TAG OK", "TAG NO") } else { answer.to_owned() }, false), never_three, "all but one, and NO"),
        ("BODY", 1, || Quirk::Change(|shop| shop.take_away("Subject: three")), never_three, "one was removed, not told"),
        ("BODY", 1, || Quirk::Twist(|shop, answer| { shop.take_away("Subject: three"); of_three(answer, |_| "* 3 EXPUNGE\r\n".into()) }, false), never_three, "one is removed meanwhile"),
        ("SIZE", 1, || Quirk::Twist(|shop, answer| { shop.take_away("Subject: one"); format!("* 1 EXPUNGE\r\n{answer}") }, false), Lets { without: Some("Subject: one"), ..plain }, "the first is removed: all numbers move"),
        ("BODY", 1, || Quirk::Change(|shop| shop.mark_deleted("Subject: three")), never_three, "a person marks one as deleted just then"),
        // What it hides for a while may come again, and the desk knows it (P2).
        ("BODY", 1, || Quirk::First("* 3 EXISTS\r\n"), Lets { again: true, ..plain }, "the count goes down by itself"),
        ("NOOP", 1, || Quirk::First("* 50 EXISTS\r\n"), plain, "more are counted than there are"),
        ("MOVE", EVER, || Quirk::Say("TAG BAD unknown command\r\n"), plain, "advertised and not known"),
        ("MOVE", EVER, || Quirk::Say("TAG NO [OVERQUOTA] full\r\n"), never_settled, "refused for ever"),
        ("MOVE", EVER, || Quirk::Twist(|_, answer| if answer.contains("EXPUNGE") { answer.to_owned() } else { "TAG NO no such message\r\n".into() }, false), plain, "NO when nothing is left to move"),
        ("MOVE", 1, || Quirk::Twist(|_, _| "TAG NO [SERVERBUG] half done\r\n".into(), false), plain, "done, and refused"),
        ("COPY", EVER, || Quirk::Say("TAG NO [OVERQUOTA] full\r\n"), never_settled, "refused for ever"),
        ("STORE", EVER, || Quirk::Say("TAG NO [NOPERM] no\r\n"), never_settled, "refused for ever"),
        ("STORE", EVER, || Quirk::Say("TAG BAD what?\r\n"), never_settled, "not known at all"),
        ("EXPUNGE", EVER, || Quirk::Say("TAG BAD unknown command\r\n"), plain, "advertised and not known"),
        ("EXPUNGE", EVER, || Quirk::Say("TAG NO [NOPERM] no\r\n"), Lets { backlog: true, ..plain }, "refused for ever: marked as deleted"),
        ("DELETED", 2, || Quirk::Say("TAG NO [LIMIT] no\r\n"), plain, "refused twice"),
        ("IDLE", EVER, || Quirk::Say("TAG BAD unknown command\r\n"), plain, "advertised and not known"),
        ("IDLE", EVER, || Quirk::Say("TAG NO later\r\n"), plain, "refused for ever"),
        ("IDLE", EVER, || Quirk::Twist(|_, answer| format!("{answer}+ still idling\r\n* OK Still here\r\n"), false), plain, "more than one go-ahead"),
        ("DONE", EVER, || Quirk::Say("TAG BAD not idling\r\n"), plain, "IDLE is forgotten"),
        ("NOOP", EVER, || Quirk::Say("TAG BAD unknown command\r\n"), plain, "not even that"),
        ("STORE", 1, || Quirk::Twist(|_, answer| format!("* 1 FETCH (UID 1 FLAGS (\\Seen $guichet))\r\n{answer}"), false), plain, "not silent"),
    ];
    table.into_iter().map(|(at, times, act, lets, name)| Odd { name: format!("{at}: {name}"), at, skip: 0, times, act, lets }).collect()
}
