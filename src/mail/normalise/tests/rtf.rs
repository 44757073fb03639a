//! Compression and the texts that rich text wraps.

use super::*;
use proptest::prelude::*;

/// Rich text in the frame of its compression, nothing of it compressed but marked as if it were.
pub(in crate::mail::normalise) fn packed(text: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for eight in text.chunks(8) {
        if eight.len() == 8 {
            body.push(0);
            body.extend(eight);
        } else {
            body.push(1 << eight.len());
            body.extend(eight);
        }
    }
    if text.len().is_multiple_of(8) {
        body.push(1);
    }
    // The end: a reference to the place that comes next.
    let end = u16::try_from((DICTIONARY.len() + text.len()) % 4096).unwrap() << 4;
    body.extend(end.to_be_bytes());
    framed(*b"LZFu", text.len(), decode::crc32(0, &body), &body)
}

fn framed(kind: [u8; 4], whole: usize, sum: u32, body: &[u8]) -> Vec<u8> {
    let size = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    [&size(body.len() + 12)[..], &size(whole), &kind, &sum.to_le_bytes(), body].concat()
}

#[test]
fn compression_is_undone() {
    // MS-OXRTFCP section 3.1.1 and 3.2.1: the examples of the specification.
    let simple: Vec<u8> = [
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0",
        "1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0",
    ]
    .concat()
    .as_bytes()
    .chunks(2)
    .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
    .collect();
    let (first, second) = simple.split_at(49);
    assert_eq!(decompress(first, 1000).as_deref(), Ok(&b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"[..]));
    assert_eq!(decompress(second, 1000).as_deref(), Ok(&b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"[..]), "a reference that reads what it writes");
    let mut wrong = first.to_vec();
    wrong[20] ^= 1;
    for (octets, expect, why) in [
        (framed(*b"MELA", 3, 0, b"abc"), Ok(&b"abc"[..]), "not compressed"),
        (framed(*b"MELA", 4, 0, b"abc"), Err(()), "cut off"),
        (framed(*b"XXXX", 3, 0, b"abc"), Err(()), "of another kind"),
        (wrong, Err(()), "a wrong check sum"),
        (first[..10].to_vec(), Err(()), "half a head"),
        (framed(*b"LZFu", 3, decode::crc32(0, b"\0ab"), b"\0ab"), Err(()), "without an end"),
        (first[..].to_vec(), Ok(&b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"[..]), "whole"),
    ] {
        assert_eq!(decompress(&octets, 1000).as_deref().map_err(|_| ()), expect, "{why}");
    }
    // Growth: each reference of two octets gives seventeen.
    let body = [[0xffu8].as_slice(), &[0, 0x0f].repeat(8)].concat().repeat(10_000);
    let grown = decompress(&framed(*b"LZFu", 0xffff_ffff, decode::crc32(0, &body), &body), 50_000).unwrap();
    assert_eq!(grown.len(), 50_000, "bounded");
}

#[test]
fn what_rich_text_wraps_comes_out() {
    let html = |said: &str| Some(Said::Html(said.to_owned()));
    let text = |said: &str| Some(Said::Text(said.to_owned()));
    let words = |said: &str| Some(Said::Words(said.to_owned()));
    for (rtf, expect, why) in [
        (
            "{\\rtf1\\ansi\\ansicpg1251\\fromhtml1 \\deff0{\\fonttbl{\\f0\\fswiss\\fcharset0 Arial;}}{\\colortbl\\red0;}\r\n{\\*\\htmltag19 <html>}{\\*\\htmltag64 <p>}\\htmlrtf {\\b\\htmlrtf0 Hello\\htmlrtf }\\htmlrtf0 {\\*\\htmltag84 &lt;}\\htmlrtf <\\htmlrtf0 {\\*\\mhtmltag x}{\\*\\htmltag72 </p>}}",
            html("<html><p>Hello&lt;</p>"),
            "HTML of Outlook",
        ),
        ("{\\rtf1\\ansi\\fromhtml1{\\*\\htmltag <a href=\"\\{x\\}\">}a\\par b\\tab c}", html("<a href=\"{x}\">a\nb\tc"), "escapes, lines"),
        ("{\\rtf1\\ansi\\fromtext one\\par\r\ntwo\\line \\emdash\\~x}", text("one\ntwo\n—\u{a0}x"), "plain text"),
        ("{\\rtf1\\ansi\\ansicpg1251 \\'cf\\'f0\\'e8}", words("При"), "a code page"),
        (
            "{\\rtf1\\ansi{\\fonttbl{\\f1\\fcharset128 x;}{\\f2\\fcharset204 y;}}\\f1\\'82\\'b1 a\\f2\\'cf}",
            words("こ aП"),
            "code pages of fonts",
        ),
        ("{\\rtf1\\ansi{\\fonttbl{\\f1\\fcharset128 x;}}\\f1\\'83A}", words("ア"), "whose second octet looks like ASCII"),
        ("{\\rtf1\\uc1\\u8364?\\u-10179?\\u-8704?{\\uc0\\u228}x}", words("€😀äx"), "Unicode, what stands for it passed over"),
        ("{\\rtf1\\uc2\\u228\\'c3\\'a4x\\u-10179 ?}", words("äx\u{fffd}"), "two octets for one; half a pair"),
        ("{\\rtf1{\\pict\\bin5 }}}}}}words}", words("words"), "octets that are none of the text"),
        (
            "{\\rtf1{\\*\\unknown hidden}{\\info{\\title t}}{\\stylesheet x}{\\field{\\*\\fldinst HYPERLINK}{\\fldrslt link}}}",
            words("link"),
            "what is not text",
        ),
        ("{\\rtf1 a}b", words("a"), "what stands behind the end"),
        ("{\\rtf1 {a {b", words("a b"), "never closed"),
        ("{\\rtf1 \\'zz\\", words("zz"), "a bad escape"),
        ("plain", None, "no rich text"),
    ] {
        assert_eq!(read(rtf.as_bytes(), 10_000), expect, "{why}");
    }
    assert_eq!(read(format!("{{\\rtf1{}", "{".repeat(100_000)).as_bytes(), 1000), None, "too deep");
    let long = format!("{{\\rtf1 {}", "x".repeat(100_000));
    let Some(Said::Words(said)) = read(long.as_bytes(), 1000) else { panic!("it is rich text") };
    assert!(said.len() <= 1001, "bounded");
}

proptest! {
    #[test]
    fn compression_comes_back(text in prop::collection::vec(any::<u8>(), 0..3000)) {
        prop_assert_eq!(decompress(&packed(&text), 10_000).unwrap(), text);
    }
    #[test]
    fn p3_never_panics(octets in prop::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,100}") {
        let _ = decompress(&octets, 10_000);
        let body = &octets[..];
        let _ = decompress(&framed(*b"LZFu", 5000, decode::crc32(0, body), body), 10_000);
        let _ = read(format!("{{\\rtf1{text}").as_bytes(), 1000);
    }
}
