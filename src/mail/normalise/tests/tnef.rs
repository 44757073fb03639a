//! Streams written by a small encoder of our own, whole and damaged.

use super::*;
use crate::mail::normalise::rtf;
use proptest::prelude::*;

/// Writes TNEF (MS-OXTNEF section 2.1.3).
pub(in crate::mail::normalise) struct Writer(Vec<u8>);

impl Writer {
    pub(in crate::mail::normalise) fn new() -> Self {
        Self([&MAGIC[..], &[1, 0]].concat())
    }

    pub(in crate::mail::normalise) fn attribute(mut self, level: u8, id: u16, value: &[u8]) -> Self {
        self.0.push(level);
        self.0.extend(id.to_le_bytes());
        self.0.extend([0, 0]);
        self.0.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        self.0.extend(value);
        self.0.extend(value.iter().fold(0u16, |sum, b| sum.wrapping_add(u16::from(*b))).to_le_bytes());
        self
    }

    /// A file by its old attributes alone.
    pub(in crate::mail::normalise) fn file(self, title: &str, content: &[u8]) -> Self {
        let title = [title.as_bytes(), &[0]].concat();
        self.attribute(2, attribute::ATTACH_REND_DATA, &[0; 14]).attribute(2, attribute::ATTACH_TITLE, &title).attribute(
            2,
            attribute::ATTACH_DATA,
            content,
        )
    }

    pub(in crate::mail::normalise) fn message_properties(self, list: &[(u16, u16, &[u8])]) -> Self {
        self.attribute(1, attribute::MESSAGE_PROPERTIES, &properties_of(list))
    }

    pub(in crate::mail::normalise) fn file_properties(self, list: &[(u16, u16, &[u8])]) -> Self {
        self.attribute(2, attribute::ATTACH_PROPERTIES, &properties_of(list))
    }

    pub(in crate::mail::normalise) fn done(self) -> Vec<u8> {
        self.0
    }
}

fn properties_of(list: &[(u16, u16, &[u8])]) -> Vec<u8> {
    let mut out = u32::try_from(list.len()).unwrap().to_le_bytes().to_vec();
    for (kind, id, value) in list {
        out.extend(kind.to_le_bytes());
        out.extend(id.to_le_bytes());
        if *id >= 0x8000 {
            out.extend([7; 16]);
            out.extend(1u32.to_le_bytes());
            out.extend(6u32.to_le_bytes());
            out.extend(b"a\0b\0c\0\0\0");
        }
        if matches!(*kind, kind::OBJECT | kind::STRING8 | kind::STRING | kind::BINARY) || kind & kind::MANY != 0 {
            out.extend(1u32.to_le_bytes());
        }
        if matches!(kind & !kind::MANY, kind::OBJECT | kind::STRING8 | kind::STRING | kind::BINARY) {
            out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        }
        out.extend(*value);
        out.extend(std::iter::repeat_n(0, value.len().next_multiple_of(4) - value.len()));
    }
    out
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

fn whole() -> Vec<u8> {
    let packed = rtf::tests::packed(b"{\\rtf1\\ansi\\fromtext rich words}");
    let inner = Writer::new().message_properties(&[(kind::STRING8, property::BODY, b"inner words\0")]).file("inner.txt", b"2").done();
    let object = [&MESSAGE_INTERFACE[..], &inner].concat();
    Writer::new()
        .attribute(1, attribute::OEM_CODE_PAGE, &[0xe3, 4, 0, 0, 0, 0, 0, 0])
        .attribute(1, attribute::SUBJECT, b"old subject\0")
        .message_properties(&[
            (0x0003, 0x1234, &[1, 2, 3, 4]),
            (0x000b, 0x1235, &[1, 0, 0, 0]),
            (0x0040, 0x1236, &[0; 8]),
            (kind::MANY | 0x0003, 0x1237, &[0; 4]),
            (kind::STRING, 0x8001, &wide("named")),
            (kind::STRING, property::SUBJECT, &wide("Ünïcode")),
            (0x0003, property::CODE_PAGE, &65_001u32.to_le_bytes()),
            (kind::BINARY, property::HTML, "<p>päge</p>\0".as_bytes()),
            (kind::BINARY, property::RTF, &packed),
        ])
        .file("LONGNA~1.TXT", b"content")
        .file_properties(&[
            (kind::STRING8, property::ATTACH_NAME, b"LONGNA~1.TXT\0"),
            (kind::STRING, property::ATTACH_LONG_NAME, &wide("long näme.txt")),
            (kind::STRING8, property::ATTACH_MIME, b"text/plain\0"),
            (kind::STRING8, property::ATTACH_CONTENT_ID, b"a@b\0"),
        ])
        .file("\u{c0}".get(..0).unwrap(), b"")
        .attribute(2, attribute::ATTACH_TRANSPORT_NAME, b"\xcf\xf0\xe8.doc\0")
        .file_properties(&[(kind::BINARY, property::ATTACH_DATA, b"by property")])
        .file("message", b"")
        .file_properties(&[(kind::OBJECT, property::ATTACH_DATA, &object)])
        .done()
}

#[test]
fn all_that_outlook_packs_is_unpacked() {
    let octets = whole();
    let tnef = read(&octets, 100, 10_000);
    assert_eq!(tnef.fault, None);
    assert_eq!(tnef.subject, "Ünïcode");
    assert_eq!(tnef.html.as_deref(), Some("<p>päge</p>"), "in the code page of the internet");
    assert_eq!(tnef.rtf.as_deref(), Some(&b"{\\rtf1\\ansi\\fromtext rich words}"[..]));
    let files: Vec<_> =
        tnef.files.iter().map(|f| (f.name.as_str(), f.media_type.as_str(), f.content_id.as_deref(), f.is_message)).collect();
    assert_eq!(
        files,
        [
            ("long näme.txt", "text/plain", Some("a@b"), false),
            ("При.doc", "", None, false), // in the old code page
            ("message", "", None, true),
        ]
    );
    assert_eq!(tnef.files[0].content, b"content");
    assert_eq!(tnef.files[1].content, b"by property");
    let inner = read(tnef.files[2].content, 100, 10_000);
    assert_eq!((inner.plain.as_deref(), inner.files[0].content), (Some("inner words"), &b"2"[..]));
}

#[test]
fn p3_what_is_damaged_is_told_and_the_rest_is_read() {
    let two = Writer::new().file("a.txt", b"1").file("b.txt", b"2").done();
    let mut wrong_sum = two.clone();
    *wrong_sum.last_mut().unwrap() ^= 1;
    let lies = Writer::new().file("a.txt", b"1").0;
    let lies = [&lies[..], &[2, 0x0f, 0x80, 6, 0, 0xff, 0xff, 0xff, 0xff, b'x']].concat();
    let bad_list = Writer::new().file("a.txt", b"1").attribute(2, attribute::ATTACH_PROPERTIES, &[0xff; 20]).done();
    let bad_rtf = Writer::new().message_properties(&[(kind::BINARY, property::RTF, &[0; 20])]).file("a.txt", b"1").done();
    for (octets, files, faulty, why) in [
        (two.clone(), 2, false, "whole"),
        (wrong_sum, 2, true, "a wrong check sum"),
        ([&two[..], b"\r\n"].concat(), 2, true, "garbage behind it"),
        (two[..two.len() - 3].to_vec(), 2, true, "cut off: the second has its name"),
        (lies, 1, true, "a length of 4 GiB"),
        (bad_list, 1, true, "a list of four billion properties"),
        (bad_rtf, 1, true, "rich text that is none"),
        (b"x".to_vec(), 0, true, "no TNEF"),
        (vec![], 0, true, "nothing"),
    ] {
        let tnef = read(&octets, 100, 10_000);
        assert_eq!((tnef.files.len(), tnef.fault.is_some()), (files, faulty), "{why}: {:?}", tnef.fault);
    }
    let bounded = read(&two, 1, 10_000);
    assert_eq!((bounded.files.len(), bounded.fault.is_some()), (1, true), "more files than are kept");
}

proptest! {
    #[test]
    fn p3_never_panics_on_a_damaged_stream(at in any::<prop::sample::Index>(), with in prop::collection::vec(any::<u8>(), 0..8), cut in 0usize..40) {
        let mut octets = whole();
        let at = at.index(octets.len());
        let end = (at + cut).min(octets.len());
        octets.splice(at..end, with);
        for file in read(&octets, 100, 10_000).files {
            let _ = read(file.content, 100, 10_000);
        }
    }
}
