use super::*;
use crate::domain::message::Body;
use proptest::prelude::*;

fn new_of(text: &str, spans: Vec<Span>) -> String {
    Body { text: text.to_owned(), spans, kept: None }.new_text()
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_new_in_a_customers_reply() {
    for (text, expect, why) in [
        ("Hello\nthere\n", "Hello there", "no quote at all"),
        ("Yes.\n\nOn Tue, 14 Oct 2025, Help Desk wrote:\n> old\n", "Yes.", "attribution and quote"),
        ("Yes.\n\nOn Tue, 14 Oct 2025 at 09:30 Help Desk <\nsupport@help.example> wrote:\n\n> old\n", "Yes.", "attribution wrapped"),
        ("Yes.\n\nOn Tue, Help Desk wrote:\n> old text\n", "Yes.", "attribution without a date"),
        ("Sim.\n\nEm ter., 14 de out. de 2025 às 09:30, Help <s@h.example> escreveu:\n> velho\n", "Sim.", "Portuguese"),
        ("Jah.\n\nKuupäev T, 14. oktoober 2025 kell 09:30 kirjutas Help (<s@h.example>):\n> vana\n", "Jah.", "Estonian"),
        ("Jah.\n\nHelp Desk <s@h.example> kirjutas kuupäeval T, 14. oktoober 2025 kell 09:30:\nvana\n", "Jah.", "Estonian, unmarked"),
        ("Ja.\n\nAm Di., 14. Okt. 2025 um 09:30 Uhr schrieb Help <s@h.example>:\n> alt\n", "Ja.", "German"),
        ("Oui.\n\nLe mar. 14 oct. 2025 à 09:30, Help <s@h.example> a écrit :\n> vieux\n", "Oui.", "French"),
        ("Да.\n\nвт, 14 окт. 2025 г. в 09:30, Help <s@h.example>:\n> старое\n", "Да.", "Russian"),
        ("A\n> q\nB\n> r\nC\n", "A B C", "interleaved"),
        ("> q\nbelow\n", "below", "answer below the quote"),
        ("Yes\n\n-----Original Message-----\nFrom: a\nold\n", "Yes", "Outlook of old"),
        ("Yes\n\n________________________________\nFrom: S <s@h.example>\nSent: Tuesday\nTo: A\nSubject: Re\n\nold\n", "Yes", "Outlook"),
        ("Sim\n\nDe: S <s@h.example>\nEnviado: terça-feira\nPara: A\nAssunto: Re\n\nvelho\n", "Sim", "Outlook, Portuguese"),
        ("Jah\n\nSaatja: S <s@h.example>\nSaadetud: teisipäev\nAdressaat: A\nTeema: Re\n\nvana\n", "Jah", "Outlook, Estonian"),
        ("Hi\n-- \nAna\nAcme\n", "Hi", "signature"),
        ("Hi\n\nKind regards,\n\nAna Souza\nAcme\n", "Hi", "a name below a closing phrase"),
        ("Hi\n\nKind regards,\nAna\n\nPS: and the other one?\n", "Hi Kind regards, Ana PS: and the other one?", "words below the name"),
        ("Kind regards,\nAna\n", "Kind regards, Ana", "nothing above it"),
        (
            "> Which of the versions that we sent you do you use at your office?\nthe newest one\n> And where?\n",
            "the newest one",
            "an answer in lower case",
        ),
        (
            "x\n> Which of the versions that we sent you do you use at your off\nice in town\n> And where?\n",
            "x",
            "the rest of a broken line",
        ),
        ("Hi\nOn Tue, 14 Oct 2025 at 09:30 Help <s@h.example> wrote:\n> old\n", "Hi", "no empty line above"),
        ("Hi\n\ntir. 14. okt. 2025 kl. 09:30 skrev Help <s@h.example\n>:\n\n> gammel\n", "Hi", "bracket wrapped"),
        ("Hi\n\nSent from my iPhone\n", "Hi", "telephone"),
        ("Hi\n\nEnviado do meu iPhone\n\n> q\n", "Hi", "telephone, Portuguese"),
        (
            "Sent from my point of view this is a long sentence about something.\n",
            "Sent from my point of view this is a long sentence about something.",
            "a sentence",
        ),
        (
            "See below.\n\n---------- Forwarded message ---------\nFrom: x@y.example\nDate: today\n\nthe error\n",
            "See below. ---------- Forwarded message --------- From: x@y.example Date: today the error",
            "a forward is what he shows",
        ),
        (
            "From: x@y.example\nSent: Tuesday\nTo: A\nSubject: B\n\nthe error\n",
            "From: x@y.example Sent: Tuesday To: A Subject: B the error",
            "nothing else: kept in doubt",
        ),
        ("On Tue, Help Desk wrote:\n> old text\n", "", "only quoted"),
        (
            "-- Please type your reply above this line --\nreal question\n##- reply above -##\n",
            "-- Please type your reply above this line -- real question ##- reply above -##",
            "somebody's marker is text",
        ),
        ("— guichet #1042\nmy words\n", "— guichet #1042 my words", "our mark, typed by a customer, is text"),
        ("The man wrote the following: 10 apples\n", "The man wrote the following: 10 apples", "a sentence"),
        ("From: the beginning it was bad\n", "From: the beginning it was bad", "one heading is none"),
    ] {
        assert_eq!(words(&new_of(text, spans(text))), expect, "{why}");
    }
}

#[test]
fn p7_an_agents_reply_is_cut_in_doubt() {
    for (text, expect, why) in [
        ("Dear Alice,\n\ndone.\n\nOn Tue, 14 Oct 2025, Help Desk wrote:\n> INTERNAL\n> more\n", "Dear Alice, done.", "plain"),
        ("Done.\n> INTERNAL line that was\nbroken in two\n> more\n", "Done.", "the rest of a broken line"),
        ("> question\n\nanswer\n\n> question\n\nanswer\n", "answer answer", "interleaved with empty lines"),
        ("Done.\n\n— guichet #1042\nTier: advanced\n", "Done.", "brief without quote marks"),
        ("Done.\n\n- guichet #1042\nTier: advanced\n", "Done.", "brief whose dash was changed"),
        ("Done.\n--\nKelly\nphone\n", "Done.", "delimiter that lost its blank"),
        ("Done.\n\nSent from my iPhone\n\nINTERNAL\n", "Done.", "below the telephone's line"),
        ("Done.\n\n---------- Forwarded message ---------\nINTERNAL\n", "Done.", "forward"),
        ("\n\nOn Tue, Help Desk wrote:\n> old text\n", "", "nothing new"),
        ("Done.\n\nKind regards,\nKelly\n", "Done. Kind regards, Kelly", "the customer shall see whom he hears from"),
        ("#solve\nDone.\n", "#solve Done.", "commands are read by others"),
        ("Done.\n\nVan: S <s@h.example>\nVerzonden: dinsdag\nAan: K\nOnderwerp: x\n\nINTERNAL\n", "Done.", "Outlook, Dutch"),
    ] {
        assert_eq!(words(&new_of(text, agent_spans(text))), expect, "{why}");
    }
}

#[test]
fn p11_a_storm_of_quotes_is_read_in_one_pass() {
    let text = "On Tue, 14 Oct 2025 at 09:30 A <a@x.example> said\n".repeat(5000) + &">".repeat(50_000);
    let spans = spans(&text);
    assert_eq!(spans.last().map(|s| s.end as usize), Some(text.len()));
}

proptest! {
    #[test]
    fn spans_cover_the_text_in_order(text in "([>a-z0-9:@ é\\-_\r]{0,12}\n?|On 2025 a@b wrote:\n|-- \n|From: a\nSent: b\nTo: c\n|Sent from my x\n){0,30}") {
        for spans in [spans(&text), agent_spans(&text)] {
            let mut at = 0;
            for span in &spans {
                prop_assert_eq!(span.start, at);
                prop_assert!(span.end > span.start && text.is_char_boundary(span.end as usize));
                at = span.end;
            }
            prop_assert_eq!(at as usize, text.len());
        }
    }
}
