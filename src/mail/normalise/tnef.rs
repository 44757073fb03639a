//! TNEF, the `winmail.dat` of Outlook (MS-OXTNEF): files and text that another program packed into one attachment.
//!
//! Each length is checked against the octets present, nothing is reserved by claim, and nothing grows: what is found is
//! borrowed. What is wrong (a check sum, an end that is missing) is told beside what could be read.

use super::decode;
use super::rtf;

/// The first four octets of every TNEF stream.
pub(super) const MAGIC: [u8; 4] = [0x78, 0x9f, 0x3e, 0x22];

/// What a TNEF stream holds.
#[derive(Debug, Default)]
pub(super) struct Tnef<'a> {
    pub subject: String,
    pub plain: Option<String>,
    pub html: Option<String>,
    /// The rich text, its compression undone.
    pub rtf: Option<Vec<u8>>,
    pub files: Vec<File<'a>>,
    /// What is wrong with the stream; `None` where all of it was read.
    pub fault: Option<&'static str>,
}

/// A file in it.
#[derive(Debug, Default)]
pub(super) struct File<'a> {
    /// As written; may be empty.
    pub name: String,
    pub media_type: String,
    pub content_id: Option<String>,
    pub content: &'a [u8],
    /// A message inside of the message: `content` is a TNEF stream of its own.
    pub is_message: bool,
}

/// Attributes of a stream (MS-OXTNEF section 2.1.3.2), without the type in their upper half.
mod attribute {
    pub(super) const OEM_CODE_PAGE: u16 = 0x9007;
    pub(super) const SUBJECT: u16 = 0x8004;
    pub(super) const BODY: u16 = 0x800c;
    pub(super) const MESSAGE_PROPERTIES: u16 = 0x9003;
    pub(super) const ATTACH_REND_DATA: u16 = 0x9002;
    pub(super) const ATTACH_DATA: u16 = 0x800f;
    pub(super) const ATTACH_TITLE: u16 = 0x8010;
    pub(super) const ATTACH_TRANSPORT_NAME: u16 = 0x9001;
    pub(super) const ATTACH_PROPERTIES: u16 = 0x9005;
}

/// Properties (MS-OXPROPS).
mod property {
    pub(super) const SUBJECT: u16 = 0x0037;
    pub(super) const BODY: u16 = 0x1000;
    pub(super) const RTF: u16 = 0x1009;
    pub(super) const HTML: u16 = 0x1013;
    pub(super) const DISPLAY_NAME: u16 = 0x3001;
    pub(super) const ATTACH_DATA: u16 = 0x3701;
    pub(super) const ATTACH_NAME: u16 = 0x3704;
    pub(super) const ATTACH_LONG_NAME: u16 = 0x3707;
    pub(super) const ATTACH_MIME: u16 = 0x370e;
    pub(super) const ATTACH_CONTENT_ID: u16 = 0x3712;
    pub(super) const CODE_PAGE: u16 = 0x3fde;
}

/// Types of values (MS-OXCDATA section 2.11.1).
mod kind {
    pub(super) const OBJECT: u16 = 0x000d;
    pub(super) const STRING8: u16 = 0x001e;
    pub(super) const STRING: u16 = 0x001f;
    pub(super) const BINARY: u16 = 0x0102;
    pub(super) const MANY: u16 = 0x1000;
}

/// IID_IMessage: in front of a message that is attached as an object.
const MESSAGE_INTERFACE: [u8; 16] = [0x07, 0x03, 0x02, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];

/// Octets that are taken from the front.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.0.split_first_chunk().map(|(octets, rest)| {
            self.0 = rest;
            u16::from_le_bytes(*octets)
        })
    }

    fn u32(&mut self) -> Option<u32> {
        self.0.split_first_chunk().map(|(octets, rest)| {
            self.0 = rest;
            u32::from_le_bytes(*octets)
        })
    }

    fn size(&mut self) -> Option<usize> {
        self.u32().and_then(|size| usize::try_from(size).ok())
    }

    /// So many octets, and those that fill them up to a multiple of four; the last may lack the filling.
    fn padded(&mut self, size: usize) -> Option<&'a [u8]> {
        let taken = self.take(size)?;
        let filling = (size.next_multiple_of(4) - size).min(self.0.len());
        self.take(filling)?;
        Some(taken)
    }
}

/// Reads a stream; `files_max` bounds what is listed, `rtf_octets_max` what compressed text may grow to.
pub(super) fn read(octets: &[u8], files_max: usize, rtf_octets_max: usize) -> Tnef<'_> {
    let mut reader = Reader { found: Tnef::default(), code_page: 1252, files_max, rtf_octets_max, in_file: false };
    if let Err(fault) = reader.attributes(octets) {
        reader.found.fault.get_or_insert(fault);
    }
    // What has neither a name nor a content stands for a picture of the attachment, not for one.
    reader.found.files.retain(|file| !file.content.is_empty() || !file.name.is_empty());
    reader.found
}

struct Reader<'a> {
    found: Tnef<'a>,
    code_page: u32,
    files_max: usize,
    rtf_octets_max: usize,
    /// The attachment that the last file is was begun.
    in_file: bool,
}

const CUT_OFF: &str = "it ends too early";

impl<'a> Reader<'a> {
    fn attributes(&mut self, octets: &'a [u8]) -> Result<(), &'static str> {
        let mut rest = Octets(octets.strip_prefix(&MAGIC).ok_or("it is no TNEF")?);
        rest.u16().ok_or(CUT_OFF)?;
        while !rest.0.is_empty() {
            let level = rest.u8().ok_or(CUT_OFF)?;
            let id = rest.u16().ok_or(CUT_OFF)?;
            rest.u16().ok_or(CUT_OFF)?;
            if !matches!(level, 1 | 2) {
                return Err("it holds octets that are none of its attributes");
            }
            let size = rest.size().ok_or(CUT_OFF)?;
            let value = rest.take(size).ok_or(CUT_OFF)?;
            let sum = rest.u16().ok_or(CUT_OFF)?;
            if sum != value.iter().fold(0u16, |sum, octet| sum.wrapping_add(u16::from(*octet))) {
                self.found.fault.get_or_insert("a check sum of it is wrong");
            }
            if level == 1 {
                self.of_message(id, value);
            } else {
                self.of_file(id, value)?;
            }
        }
        Ok(())
    }

    fn of_message(&mut self, id: u16, value: &'a [u8]) {
        match id {
            attribute::OEM_CODE_PAGE => self.code_page = Octets(value).u32().unwrap_or(self.code_page),
            attribute::SUBJECT => self.found.subject = self.string(kind::STRING8, value),
            attribute::BODY => self.found.plain = Some(self.string(kind::STRING8, value)),
            attribute::MESSAGE_PROPERTIES => {
                let mut html = None;
                let mut code_page = self.code_page;
                let whole = properties(value, |id, kind, value| match id {
                    property::SUBJECT => self.found.subject = self.string(kind, value),
                    property::BODY => self.found.plain = Some(self.string(kind, value)),
                    property::HTML => html = Some((kind, value)),
                    property::CODE_PAGE => code_page = Octets(value).u32().unwrap_or(code_page),
                    property::RTF => match rtf::decompress(value, self.rtf_octets_max) {
                        Ok(text) => self.found.rtf = Some(text),
                        Err(fault) => {
                            self.found.fault.get_or_insert(fault);
                        }
                    },
                    _ => {}
                });
                self.found.html = html.map(|(kind, value)| match kind {
                    kind::STRING => self.string(kind, value),
                    _ => string8(value, code_page),
                });
                self.expect_whole(whole);
            }
            _ => {}
        }
    }

    fn of_file(&mut self, id: u16, value: &'a [u8]) -> Result<(), &'static str> {
        if id == attribute::ATTACH_REND_DATA || !self.in_file {
            if self.found.files.len() >= self.files_max {
                return Err("it holds more files than are kept");
            }
            self.found.files.push(File::default());
            self.in_file = true;
        }
        let code_page = self.code_page;
        let Some(file) = self.found.files.last_mut() else { return Ok(()) };
        match id {
            attribute::ATTACH_DATA if !file.is_message => file.content = value,
            // A short name such as `LONGNA~1.DOC` gives way to every other.
            attribute::ATTACH_TITLE if file.name.is_empty() => file.name = string8(value, code_page),
            attribute::ATTACH_TRANSPORT_NAME => file.name = string8(value, code_page),
            attribute::ATTACH_PROPERTIES => {
                let whole = properties(value, |id, kind, value| {
                    let string = || if kind == kind::STRING { utf16(value) } else { string8(value, code_page) };
                    match id {
                        property::ATTACH_LONG_NAME => file.name = string(),
                        property::ATTACH_NAME | property::DISPLAY_NAME if file.name.is_empty() => file.name = string(),
                        property::ATTACH_MIME => file.media_type = string(),
                        property::ATTACH_CONTENT_ID => file.content_id = Some(string()),
                        property::ATTACH_DATA => {
                            let object = if kind == kind::OBJECT { value.get(16..) } else { None };
                            file.is_message = object.is_some() && value.starts_with(&MESSAGE_INTERFACE);
                            file.content = object.unwrap_or(value);
                        }
                        _ => {}
                    }
                });
                self.expect_whole(whole);
            }
            _ => {}
        }
        Ok(())
    }

    fn string(&self, kind: u16, value: &[u8]) -> String {
        if kind == kind::STRING { utf16(value) } else { string8(value, self.code_page) }
    }

    fn expect_whole(&mut self, whole: Option<()>) {
        if whole.is_none() {
            self.found.fault.get_or_insert("a list of properties in it cannot be read");
        }
    }
}

/// Gives id, type and value of each property (MS-OXTNEF section 2.1.3.4); of several values the first. `None` where the
/// list does not hold what it says.
fn properties<'a>(octets: &'a [u8], mut give: impl FnMut(u16, u16, &'a [u8])) -> Option<()> {
    let mut rest = Octets(octets);
    for _ in 0..rest.u32()? {
        let type_of = rest.u16()?;
        let id = rest.u16()?;
        if id >= 0x8000 {
            // A named property: a namespace, and a number or a name.
            rest.take(16)?;
            if rest.u32()? == 0 {
                rest.u32()?;
            } else {
                let size = rest.size()?;
                rest.padded(size)?;
            }
        }
        let base = type_of & !kind::MANY;
        let fixed = match base {
            0x0000 | 0x0001 => Some(0),
            0x0002..=0x0004 | 0x000a | 0x000b => Some(4),
            0x0005..=0x0007 | 0x0014 | 0x0040 => Some(8),
            0x0048 => Some(16),
            kind::OBJECT | kind::STRING8 | kind::STRING | kind::BINARY => None,
            _ => return None,
        };
        let is_many = type_of & kind::MANY != 0;
        let count = if is_many || fixed.is_none() { rest.u32()? } else { 1 };
        if fixed == Some(0) {
            continue;
        }
        for at in 0..count {
            let size = match fixed {
                Some(size) => size,
                None => rest.size()?,
            };
            let value = rest.padded(size)?;
            if at == 0 {
                give(id, base, value);
            }
        }
    }
    Some(())
}

fn utf16(octets: &[u8]) -> String {
    let units = octets.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.trim_end_matches('\0').to_owned()
}

fn string8(octets: &[u8], code_page: u32) -> String {
    let end = octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    decode::text(&octets[..end], Some(&decode::code_page_label(code_page))).0
}

#[cfg(test)]
#[path = "tests/tnef.rs"]
pub(super) mod tests;
