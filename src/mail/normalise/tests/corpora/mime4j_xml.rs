//! Expectations of mime4j: beside each mail an XML of its tree (`_decoded.xml`), header fields as they stand, the decoded
//! content of each leaf in a file of its own. The XML without `_decoded` is the same tree with the content as it stands,
//! and `.out` is what mime4j writes: neither says more about what is kept.

use super::expect::{self, Content, Field, Leaf, Node};
use super::{Tally, corpora, files_with_ending, read};
use crate::mail::normalise::decode::guessed;
use crate::mail::normalise::structure::unfold;
use std::path::Path;

#[test]
fn what_mime4j_expects() {
    let mut tally = Tally::default();
    for folder in corpora() {
        for path in files_with_ending(&folder.join("mime4j"), ".msg") {
            let stem = path.file_stem().unwrap().to_string_lossy();
            let xml = guessed(&std::fs::read(path.with_file_name(format!("{stem}_decoded.xml"))).unwrap()).0;
            let parsed = read(&std::fs::read(&path).unwrap());
            let mut xml = Xml { rest: &xml, folder: path.parent().unwrap() };
            xml.expect("<message>");
            let (fields, tree) = xml.mail();
            let mut file = tally.file(&folder, "mime4j", &path);
            expect::compare(&mut file, "", &[fields], &tree, &parsed);
        }
    }
    tally.finish();
}

/// Reads the few elements that there are.
struct Xml<'a> {
    rest: &'a str,
    folder: &'a Path,
}

impl<'a> Xml<'a> {
    fn expect(&mut self, tag: &str) {
        let rest = self.rest.trim_start();
        self.rest = rest.strip_prefix(tag).unwrap_or_else(|| panic!("{tag} at {rest:.100}"));
    }

    fn is_at(&self, tag: &str) -> bool {
        self.rest.trim_start().starts_with(tag)
    }

    fn until(&mut self, tag: &str) -> &'a str {
        let (text, rest) = self.rest.split_once(tag).unwrap_or_else(|| panic!("no {tag}"));
        self.rest = rest;
        text
    }

    /// Behind `<message>`: its header, and what is in it.
    fn mail(&mut self) -> (Field, Node) {
        let lines = self.header();
        let all: Vec<String> = lines.iter().map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase())).collect();
        let tree = self.body(&lines);
        self.expect("</message>");
        (Field { name: "header", expect: all.join("\n") }, tree)
    }

    fn header(&mut self) -> Vec<(String, String)> {
        self.expect("<header>");
        let mut lines = Vec::new();
        while self.is_at("<field>") {
            self.expect("<field>");
            let field = self.until("</field>").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            let field = field.strip_prefix("\r\n").or_else(|| field.strip_prefix('\n')).unwrap_or(&field);
            let (name, value) = field.split_once(':').unwrap_or((field, ""));
            lines.push((name.trim_end().to_owned(), String::from_utf8(unfold(value.as_bytes())).unwrap()));
        }
        self.expect("</header>");
        lines
    }

    fn body(&mut self, header: &[(String, String)]) -> Node {
        let value = |name: &str| header.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        let media = value("content-type").map(|v| v.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        let media = media.filter(|m| m.split('/').filter(|side| !side.is_empty()).count() == 2);
        if self.is_at("<multipart>") {
            let subtype = media.as_deref().and_then(|m| m.strip_prefix("multipart/")).unwrap_or("mixed").to_owned();
            return Node::Multi { subtype, children: self.parts() };
        }
        if self.is_at("<message>") {
            self.expect("<message>");
            let (fields, tree) = self.mail();
            return Node::Mail(vec![fields], Box::new(tree));
        }
        let kind = if self.is_at("<text-body") { "<text-body" } else { "<binary-body" };
        self.expect(kind);
        self.expect("name=\"");
        let content = std::fs::read(self.folder.join(self.until("\""))).unwrap();
        self.until(">");
        let charset = value("content-type").and_then(|v| v.split_once("charset=")).map(|(_, rest)| rest);
        let charset = charset.map(|c| c.trim_start_matches('"').split(['"', ';', ' ']).next().unwrap_or_default().to_owned());
        Node::Leaf(Leaf { media, name: None, charset, content: Content::Octets(content) })
    }

    fn parts(&mut self) -> Vec<Node> {
        self.expect("<multipart>");
        let mut parts = Vec::new();
        while !self.is_at("</multipart>") {
            for aside in ["preamble", "epilogue"] {
                if self.is_at(&format!("<{aside}>")) {
                    self.expect(&format!("<{aside}>"));
                    self.until(&format!("</{aside}>"));
                }
            }
            if self.is_at("<body-part>") {
                self.expect("<body-part>");
                let header = self.header();
                parts.push(self.body(&header));
                self.expect("</body-part>");
            }
        }
        self.expect("</multipart>");
        parts
    }
}
