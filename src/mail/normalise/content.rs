//! What a mail says: the choice of its text. The files are put aside by [`super::files`].

use super::about::About;
use super::decode::{Transfer, text as in_charset};
use super::files::Files;
use super::headers::{message_ids, unstructured};
use super::structure::{self, Part, Tree, fields, split_head, unfold};
use super::tidy::{cut, tidy, unflow};
use super::{NormaliseLimits, ParsedAttachment, armor, embedded, flag, names, sealed, words};
use crate::domain::address::one_line;
use crate::domain::message::{Defect, MessageId};
use crate::mail::{bounce, html};
use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// Text, files and report of one mail.
pub(super) struct Content {
    pub text: String,
    /// Lines below the text that we wrote, of what it brings: no part of what is quoted or signed above them.
    pub added: String,
    /// The text is that of a mail that came as a file: the mail itself says nothing.
    pub is_borrowed: bool,
    pub attachments: Vec<ParsedAttachment>,
    pub report: Option<bounce::Report>,
    /// Message-IDs of mails that came with it as files.
    pub originals: Vec<MessageId>,
}

/// Reads the content of `octets`, whose header is its first `head_len` octets.
pub(super) fn read(octets: &[u8], head_len: usize, has_fields: bool, limits: &NormaliseLimits, defects: &mut Vec<Defect>) -> Content {
    if !has_fields {
        let text = tidy(&in_charset(octets, None).0);
        return Content {
            text: cut(text, limits, defects),
            added: String::new(),
            is_borrowed: false,
            attachments: Vec::new(),
            report: None,
            originals: Vec::new(),
        };
    }
    let tree = structure::tree(octets, 0..head_len, limits);
    let mut mail = Mail { limits, defects, files: Files::default(), html_left: limits.html_octets_max };
    mail.flag_structure(&tree);
    let mut reader = Reader::new(octets, &tree, 0, &mut mail);
    let own = reader.walk(0).text;
    let parts = reader.report_parts();
    let originals = parts.originals.clone();
    let report = bounce::read(parts);
    let says_nothing = |text: &str| text.trim().is_empty();
    let text = if says_nothing(&own) { mail.packed_text().unwrap_or(own) } else { own };
    let borrowed = if says_nothing(&text) && mail.files.lines.is_empty() { mail.text_of_mails() } else { None };
    let is_borrowed = borrowed.is_some();
    let text = cut(borrowed.unwrap_or(text), limits, mail.defects);
    Content { text, added: mail.files.lines.join("\n"), is_borrowed, attachments: mail.files.kept, report, originals }
}

/// What the parts of one mail share, those of a sealed part in it too.
pub(super) struct Mail<'a> {
    pub limits: &'a NormaliseLimits,
    pub defects: &'a mut Vec<Defect>,
    pub files: Files,
    /// Octets of HTML that may still be turned into text.
    html_left: usize,
}

impl Mail<'_> {
    pub(super) fn flag(&mut self, name: &'static str, detail: impl Into<String>) {
        flag(self.defects, name, detail);
    }

    fn flag_structure(&mut self, tree: &Tree) {
        let head_max = self.limits.part_head_octets_max;
        for (is_so, name, detail) in [
            (tree.too_deep, "too_deep", "has parts inside of parts beyond the limit: the inner ones are kept as one file".to_owned()),
            (tree.no_parts, "no_parts", "is a multipart without parts: shown as text".to_owned()),
            (tree.left_out > 0, "many_parts", format!("has {} parts more than are kept", tree.left_out)),
            (tree.parts.iter().any(|p| p.cut), "cut_off", "ends before its last part does".to_owned()),
            (
                tree.parts.iter().skip(1).any(|p| p.head.len() > head_max),
                "large_part_head",
                "has a part whose own header is longer than is looked at".to_owned(),
            ),
        ] {
            if is_so {
                self.flag(name, detail);
            }
        }
    }

    /// A page as text, within the budget of the mail.
    pub(super) fn page(&mut self, page: &str, name_of: &dyn Fn(&str) -> Option<String>) -> String {
        tidy(&html::to_text_with_images(page, self.limits.text_octets_max, name_of))
    }

    /// As many octets of a page as the budget has left.
    pub(super) fn affordable<'p>(&mut self, page: &'p [u8]) -> &'p [u8] {
        let kept = &page[..page.len().min(self.html_left)];
        if kept.len() < page.len() {
            self.flag("large_html", "has more HTML than is turned into text");
        }
        self.html_left -= kept.len();
        kept
    }

    pub(super) fn in_charset(&mut self, octets: &[u8], charset: Option<&str>) -> String {
        let (text, fault) = in_charset(octets, charset);
        match fault {
            Some("unknown_charset") => self.flag("unknown_charset", "names a character set that is not known"),
            Some(name) => self.flag(name, "has text that is not in the character set that it names"),
            None => {}
        }
        text
    }

    /// What the transfer encoding of a part stands for, about `octets_max` octets of it.
    pub(super) fn decoded<'o>(&mut self, transfer: Transfer, body: &'o [u8], octets_max: usize) -> Cow<'o, [u8]> {
        let (decoded, is_damaged) = transfer.decode(body, octets_max);
        if transfer == Transfer::Unknown {
            self.flag("unknown_encoding", "has a part in a transfer encoding that is not known: kept as it is");
        } else if is_damaged {
            self.flag("bad_encoding", "has a part that is not in the transfer encoding that it names: read as well as can be");
        }
        decoded
    }
}

/// Text of a part of the tree, and what it was made of.
#[derive(Default)]
struct Words {
    text: String,
    is_html: bool,
}

/// Sealed parts inside of one another that are opened.
const DEPTH_MAX: usize = 4;

/// Reads the parts of one entity: the mail, or what was sealed in a part of it.
pub(super) struct Reader<'a, 'm> {
    octets: &'a [u8],
    tree: &'a Tree,
    depth: usize,
    pub mail: &'a mut Mail<'m>,
    /// Names of the parts that a page may refer to, by Content-ID and by Content-Location; made when first asked for.
    images: OnceCell<HashMap<String, String>>,
    /// Which of them a page referred to.
    cited: RefCell<HashSet<String>>,
}

impl<'a, 'm> Reader<'a, 'm> {
    fn new(octets: &'a [u8], tree: &'a Tree, depth: usize, mail: &'a mut Mail<'m>) -> Self {
        Self { octets, tree, depth, mail, images: OnceCell::new(), cited: RefCell::default() }
    }

    /// The text of a part and all that is in it; files are put aside. As deep as the tree, which is bounded.
    fn walk(&mut self, at: usize) -> Words {
        let part = &self.tree.parts[at];
        if !part.is_multipart {
            return self.leaf(at);
        }
        let children = part.children.as_slice();
        match part.media.name.as_str() {
            "multipart/alternative" => self.alternative(children),
            // RFC 2387: the first part is the text, the others belong to it. RFC 6522: the first part is for people.
            "multipart/related" | "multipart/report" => self.first_of(children, |_, _| true),
            "multipart/signed" => self.signed(part),
            "multipart/encrypted" => self.encrypted(part),
            _ => self.mixed(children),
        }
    }

    /// The first part is the text, the others are files if they are to be kept.
    fn first_of(&mut self, children: &[usize], is_kept: impl Fn(&Self, usize) -> bool) -> Words {
        let Some((first, others)) = children.split_first() else { return Words::default() };
        let words = self.walk(*first);
        for other in others {
            if is_kept(self, *other) {
                self.file_all(*other);
            }
        }
        words
    }

    /// RFC 1847 section 2.1: a text and its signature. The signature is nothing to read; it is kept with the mail.
    fn signed(&mut self, part: &Part) -> Words {
        let is_signature = |reader: &Self, at: usize| {
            let name = reader.tree.parts[at].media.name.as_str();
            matches!(name, "application/pgp-signature" | "application/pkcs7-signature" | "application/x-pkcs7-signature")
        };
        let protocol = part.about.protocol.as_deref().unwrap_or_default();
        let sealed_by =
            |word: &str| protocol.contains(word) || part.children.iter().skip(1).any(|at| self.tree.parts[*at].media.name.contains(word));
        if sealed_by("pkcs7") {
            self.mail.flag("signed_smime", "is signed (S/MIME): the signature is kept, not checked");
        } else if sealed_by("pgp") {
            self.mail.flag("signed_pgp", "is signed (PGP): the signature is kept, not checked");
        } else {
            self.mail.flag("signed", "is signed in a way that is not known: the signature is kept, not checked");
        }
        self.first_of(&part.children, |reader, at| !is_signature(reader, at))
    }

    /// RFC 1847 section 2.2, RFC 3156 section 4: a part that says how, and one that cannot be read.
    fn encrypted(&mut self, part: &Part) -> Words {
        let protocol = part.about.protocol.as_deref().unwrap_or_default();
        let is_pgp = protocol.contains("pgp") || part.children.iter().any(|at| self.tree.parts[*at].media.name.contains("pgp-encrypted"));
        if is_pgp {
            self.mail.flag("encrypted_pgp", "is encrypted (PGP): its parts are kept as they are");
        } else {
            self.mail.flag("encrypted", "is encrypted: its parts are kept as they are");
        }
        for child in &part.children {
            self.file_all(*child);
        }
        Words::default()
    }

    /// All texts in their order: a list's footer, words between pictures.
    fn mixed(&mut self, children: &[usize]) -> Words {
        let mut all = Words::default();
        for child in children {
            if all.text.len() > self.mail.limits.text_octets_max {
                self.file_all(*child);
                continue;
            }
            let words = self.walk(*child);
            if words.text.trim().is_empty() {
                continue;
            }
            if !all.text.is_empty() {
                all.text.truncate(all.text.trim_end_matches('\n').len());
                all.text.push_str("\n\n");
            }
            all.text.push_str(&words.text);
            all.is_html |= words.is_html;
        }
        all
    }

    /// RFC 2046 section 5.1.4: the same said in several ways. Plain text if it says anything, else HTML.
    fn alternative(&mut self, children: &[usize]) -> Words {
        let mut best = Words::default();
        let is_plain = |at: usize| matches!(self.tree.parts[at].media.name.as_str(), "" | "text/plain");
        let (plain, others): (Vec<usize>, Vec<usize>) = children.iter().partition(|at| is_plain(**at));
        for child in plain.into_iter().chain(others) {
            let is_leaf = !self.tree.parts[child].is_multipart;
            let has_text = !best.text.trim().is_empty();
            if has_text && is_leaf && self.tree.parts[child].media.name == "text/html" {
                continue;
            }
            let words = self.walk(child);
            if !words.text.trim().is_empty() && (!has_text || best.is_html && !words.is_html) {
                best = words;
            }
        }
        best
    }

    /// A part without parts: text that is meant to be read here, or a file.
    fn leaf(&mut self, at: usize) -> Words {
        let part = &self.tree.parts[at];
        let about = &part.about;
        let name = part.media.name.as_str();
        let is_text = matches!(name, "" | "text/plain" | "text/html" | "text/enriched" | "text/markdown" | "application/pgp");
        let is_root = at == 0;
        if is_text && !about.is_attachment && (about.name.is_none() || is_root) {
            return self.text(part, about);
        }
        if matches!(name, "application/pkcs7-mime" | "application/x-pkcs7-mime") && self.depth < DEPTH_MAX {
            return self.sealed(at, part, about);
        }
        self.file(at);
        Words::default()
    }

    fn text(&mut self, part: &Part, about: &About) -> Words {
        let body = &self.octets[part.body.clone()];
        let transfer = Transfer::parse(&about.transfer);
        let charset = about.charset.as_deref();
        if part.media.name == "text/html" {
            let decoded = self.mail.decoded(transfer, body, self.mail.html_left.saturating_add(1));
            let kept = self.mail.affordable(&decoded);
            let named = if charset.is_none() { charset_of_page(kept) } else { None };
            let page = self.mail.in_charset(kept, charset.or(named.as_deref()));
            let text = html::to_text_with_images(&page, self.mail.limits.text_octets_max, &|source| self.image_name(source));
            return Words { text: tidy(&text), is_html: true };
        }
        // More than will be kept, so that the cut is noticed: decoding may shorten.
        let octets_max = self.mail.limits.text_octets_max.saturating_mul(2).saturating_add(16);
        let mut kept = self.mail.decoded(transfer, body, octets_max);
        if transfer == Transfer::Base64 && is_text_after_all(body, &kept) {
            self.mail.flag("bad_encoding", "has a part that is not in the transfer encoding that it names: read as well as can be");
            kept = Cow::Borrowed(&body[..body.len().min(octets_max)]);
        }
        let mut text = self.mail.in_charset(&kept, charset);
        if embedded::may_hold(&text) {
            text = self.without_files(&kept, charset).unwrap_or(text);
        }
        let mut text = tidy(&text);
        if about.flowed {
            text = unflow(&text, about.delete_space);
        }
        if armor::may_hold(&text) {
            text = self.without_armor(&text);
        }
        if text.contains("[cid:") {
            text = self.with_image_names(&text);
        }
        Words { text, is_html: false }
    }

    /// The text with a line in place of each file that was written into it; `None` where there is none.
    fn without_files(&mut self, octets: &[u8], charset: Option<&str>) -> Option<String> {
        let (count, left) = self.mail.room();
        let taken = embedded::take(octets, count, left);
        if taken.damaged {
            self.mail.flag("damaged_block", "has a file written into its text that is not whole: left in the text");
        }
        if !taken.pieces.iter().any(|piece| matches!(piece, embedded::Piece::File { .. })) {
            return None;
        }
        let mut text = String::new();
        for piece in taken.pieces {
            match piece {
                embedded::Piece::Text(octets) => text.push_str(&self.mail.in_charset(octets, charset)),
                embedded::Piece::File { name, content, .. } => {
                    let name = names::clean(&in_charset(name, charset).0, "attachment.bin");
                    let _ = writeln!(text, "[attached: {name}, {}]", names::size(content.len()));
                    let media_type = names::media_type_of(&name).to_owned();
                    self.mail.keep(ParsedAttachment { name, media_type, content_id: None, content });
                }
            }
        }
        Some(text)
    }

    fn without_armor(&mut self, text: &str) -> String {
        let freed = armor::freed(text);
        if freed.is_signed {
            self.mail.flag("signed_pgp", "is signed (PGP): the signature is kept, not checked");
        }
        if freed.is_encrypted {
            self.mail.flag("encrypted_pgp", "is encrypted (PGP): shown as it is");
        }
        freed.text
    }

    /// Outlook writes `[cid:image001.png@01D…]` where its page has an image.
    fn with_image_names(&self, text: &str) -> String {
        const ID_OCTETS_MAX: usize = 250;
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("[cid:") {
            out.push_str(before);
            // No longer than an id: what never closes is not searched to its end again and again.
            let end = behind.bytes().take(ID_OCTETS_MAX).position(|b| matches!(b, b']' | b'\n' | b' '));
            let id = end.and_then(|end| behind[end..].strip_prefix(']').map(|after| (&behind[..end], after)));
            if let Some((name, after)) = id.and_then(|(id, after)| Some((self.image_name(&format!("cid:{id}"))?, after))) {
                let _ = write!(out, "[image: {name}]");
                rest = after;
            } else {
                out.push_str("[cid:");
                rest = behind;
            }
        }
        out.push_str(rest);
        out
    }

    /// The name of the part that a page's image is, by exact id (RFC 2392) or place (RFC 2557).
    fn image_name(&self, source: &str) -> Option<String> {
        let images = self.images.get_or_init(|| self.image_names());
        let scheme = source.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("cid:"));
        let key = if scheme.is_some() { format!("cid:{}", words::percent_decoded(&source[4..])) } else { source.to_owned() };
        let name = images.get(&key)?;
        self.cited.borrow_mut().insert(key);
        Some(name.clone())
    }

    fn image_names(&self) -> HashMap<String, String> {
        let mut names = HashMap::new();
        for (at, part) in self.tree.parts.iter().enumerate().filter(|(_, part)| !part.is_multipart) {
            let about = &part.about;
            if about.content_id.is_none() && about.location.is_none() {
                continue;
            }
            let name = Self::name_of(at, about, &part.media.name);
            if let Some(location) = &about.location {
                names.entry(location.clone()).or_insert_with(|| name.clone());
            }
            if let Some(id) = &about.content_id {
                names.entry(format!("cid:{id}")).or_insert(name);
            }
        }
        names
    }

    /// The id by which a page refers to a part.
    fn content_id(&self, about: &About) -> Option<String> {
        let cited = || about.location.clone().filter(|location| self.cited.borrow().contains(location));
        about.content_id.clone().or_else(cited)
    }

    /// RFC 8551 section 3: what is only signed can be read, the rest is a file.
    fn sealed(&mut self, at: usize, part: &Part, about: &About) -> Words {
        let transfer = Transfer::parse(&about.transfer);
        let body = &self.octets[part.body.clone()];
        let content = self.mail.decoded(transfer, body, self.mail.limits.attachments_octets_max);
        match sealed::open(&content) {
            sealed::Sealed::Signed(inner) => {
                drop(content);
                self.mail.flag("signed_smime", "is signed (S/MIME): the signature is kept, not checked");
                return self.entity(&inner);
            }
            sealed::Sealed::Compressed => self.mail.flag("compressed_smime", "is compressed (S/MIME): kept as it is"),
            sealed::Sealed::NoContent => {}
            sealed::Sealed::Unknown
                if about.smime_type.as_deref().is_some_and(|kind| kind.contains("signed") || kind.contains("certs")) =>
            {
                self.mail.flag("signed_smime", "is signed (S/MIME) in a way that cannot be read: kept as it is");
            }
            sealed::Sealed::Enveloped | sealed::Sealed::Unknown => {
                self.mail.flag("encrypted_smime", "is encrypted (S/MIME): kept as it is");
            }
        }
        self.file(at);
        Words::default()
    }

    /// Reads what was sealed: a header and a body of their own.
    fn entity(&mut self, octets: &[u8]) -> Words {
        let head_len = split_head(octets).0.len();
        let tree = structure::tree(octets, 0..head_len, self.mail.limits);
        self.mail.flag_structure(&tree);
        Reader::new(octets, &tree, self.depth + 1, self.mail).walk(0)
    }

    /// Puts aside all that is in a part, its texts too.
    fn file_all(&mut self, at: usize) {
        let part = &self.tree.parts[at];
        if part.is_multipart {
            for child in &part.children {
                self.file_all(*child);
            }
        } else {
            self.file(at);
        }
    }

    /// Puts one part aside as a file.
    fn file(&mut self, at: usize) {
        let part = &self.tree.parts[at];
        let about = &part.about;
        let name = Self::name_of(at, about, &part.media.name);
        let content_id = self.content_id(about);
        let body = &self.octets[part.body.clone()];
        self.mail.file(body, Transfer::parse(&about.transfer), &part.media.name, name, content_id, about.charset.as_deref());
    }

    /// What a part is called; empty where its content is to be asked.
    fn name_of(at: usize, about: &About, media_type: &str) -> String {
        let by_kind = format!("part-{at}.{}", names::ending_of(media_type));
        match &about.name {
            Some(name) if name.contains("=?") => names::clean(&unstructured(name), &by_kind),
            Some(name) => names::clean(name, &by_kind),
            None if matches!(media_type, "message/rfc822" | "message/global") => String::new(),
            None => by_kind,
        }
    }

    /// What of the mail may be a report: the parts of the outermost multipart/report, or, where there is none, those of the mail itself.
    fn report_parts(&self) -> bounce::Parts {
        /// Of a report, of all of its parts together, and of a mail that came back.
        const OCTETS_MAX: usize = 1024 * 1024;
        const ORIGINAL_OCTETS_MAX: usize = 64 * 1024;
        let mut found = bounce::Parts::default();
        let outer = self.tree.parts.iter().position(|p| p.is_multipart && p.media.name == "multipart/report").unwrap_or(0);
        let children = self.tree.parts[outer].children.iter().copied().chain((!self.tree.parts[outer].is_multipart).then_some(outer));
        for child in children.map(|at| &self.tree.parts[at]).filter(|p| !p.is_multipart && p.media.name.len() > "message/".len()) {
            let octets = |octets_max: usize| {
                let transfer = Transfer::parse(&child.about.transfer);
                let body = &self.octets[child.body.clone()];
                transfer.decode(&body[..body.len().min(2 * octets_max)], octets_max).0
            };
            match child.media.name.as_str() {
                "message/delivery-status" | "message/global-delivery-status" if found.status.len() < OCTETS_MAX => {
                    found.status.extend_from_slice(&octets(OCTETS_MAX));
                    found.status.extend_from_slice(b"\n\n");
                }
                "message/feedback-report" if found.feedback.is_empty() => found.feedback.extend_from_slice(&octets(OCTETS_MAX)),
                "text/rfc822-headers"
                | "text/rfc822-header"
                | "message/rfc822"
                | "message/global"
                | "message/global-headers"
                | "message/rfc822-headers"
                    if found.originals.is_empty() =>
                {
                    let octets = octets(ORIGINAL_OCTETS_MAX);
                    let head = split_head(&octets).0;
                    let ids = fields(head).filter(|f| f.name.eq_ignore_ascii_case("message-id"));
                    let ids = ids.take(1).flat_map(|field| message_ids(&String::from_utf8_lossy(&unfold(field.value))));
                    found.originals.extend(ids.take(bounce::ORIGINALS_MAX));
                }
                _ => {}
            }
        }
        found
    }
}

/// The character set that a page without a label names itself, where it is not UTF-8 (HTML section 4.2.5.4).
fn charset_of_page(page: &[u8]) -> Option<String> {
    const LOOK_OCTETS_MAX: usize = 1024;
    if std::str::from_utf8(page).is_ok() {
        return None;
    }
    let look = String::from_utf8_lossy(&page[..page.len().min(LOOK_OCTETS_MAX)]).to_ascii_lowercase();
    let (_, behind) = look.split_once("charset=")?;
    let label = behind.trim_start_matches(['"', '\'', ' ']).split(['"', '\'', ' ', '>', ';', '/']).next()?;
    (!label.is_empty()).then(|| one_line(label, 60))
}

/// Whether what is labelled base64 is text as it stands: words with blanks between them, and garbage once decoded.
fn is_text_after_all(body: &[u8], decoded: &[u8]) -> bool {
    const LOOK_OCTETS_MAX: usize = 2000;
    let look = &body[..body.len().min(LOOK_OCTETS_MAX)];
    let has_blanks = look.windows(2).any(|pair| pair[0] == b' ' && pair[1].is_ascii_alphanumeric());
    let is_text = |octets: &[u8]| !octets.iter().any(|b| b.is_ascii_control() && !matches!(b, b'\t' | b'\r' | b'\n' | 0x0c | 0x1b));
    has_blanks && is_text(look) && (!is_text(decoded) || std::str::from_utf8(decoded).is_err())
}
