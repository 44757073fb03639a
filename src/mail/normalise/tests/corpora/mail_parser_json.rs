//! Expectations of mail-parser: beside each mail a JSON of its whole tree, header values read, parts decoded.

use super::expect::{self, Content, Field, Leaf, Node};
use super::{Tally, addresses, corpora, files_with_ending, read};
use crate::domain::address::one_line;
use crate::domain::message::MessageId;
use crate::domain::ticket::SUBJECT_OCTETS_MAX;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use serde_json::Value;

#[test]
fn what_mail_parser_expects() {
    let mut tally = Tally::default();
    for folder in corpora() {
        for path in files_with_ending(&folder.join("mail-parser/eml"), ".eml") {
            let expected: Value = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
            let parsed = read(&std::fs::read(&path).unwrap());
            let mut file = tally.file(&folder, "mail-parser", &path);
            expect::compare(&mut file, "", &fields(&expected), &tree(&expected), &parsed);
        }
    }
    tally.finish();
}

/// All values of the mail's own fields of one name.
fn values<'a>(mail: &'a Value, name: &str) -> Vec<&'a Value> {
    let headers = mail["parts"][0]["headers"].as_array().unwrap();
    headers.iter().filter(|header| header["name"] == name).map(|header| &header["value"]).collect()
}

fn fields(mail: &Value) -> Vec<Field> {
    let lists = |name: &str| values(mail, name).into_iter().filter_map(|value| value.get("Address")).collect::<Vec<_>>();
    let first = |name: &str| values(mail, name).first().copied().unwrap_or(&Value::Null);
    let to_and_cc: Vec<&Value> = lists("to").into_iter().chain(lists("cc")).collect();
    vec![
        Field { name: "from", expect: addresses::sender(&lists("from")) },
        Field { name: "recipients", expect: addresses::list(to_and_cc.into_iter()) },
        Field { name: "reply_to", expect: addresses::list(lists("reply_to").into_iter()) },
        Field { name: "subject", expect: one_line(texts(first("subject")).first().unwrap_or(&""), SUBJECT_OCTETS_MAX) },
        Field { name: "date", expect: date(&first("date")["DateTime"]).map(|at| at.to_string()).unwrap_or_default() },
        Field { name: "message_id", expect: ids(first("message_id")).first().cloned().unwrap_or_default() },
        Field { name: "in_reply_to", expect: ids(first("in_reply_to")).join(" ") },
        Field { name: "references", expect: values(mail, "references").into_iter().flat_map(ids).collect::<Vec<_>>().join(" ") },
    ]
}

fn texts(value: &Value) -> Vec<&str> {
    match (value.get("Text"), value.get("TextList")) {
        (Some(text), _) => text.as_str().into_iter().collect(),
        (None, Some(list)) => list.as_array().unwrap().iter().filter_map(Value::as_str).collect(),
        (None, None) => Vec::new(),
    }
}

pub(super) fn ids(value: &Value) -> Vec<String> {
    texts(value).into_iter().filter_map(MessageId::parse).map(|id| id.as_str().to_owned()).collect()
}

/// A date of the calendar with its offset from GMT; `None` where there is no such day or time.
pub(super) fn date(value: &Value) -> Option<Timestamp> {
    let number = |name: &str| value[name].as_i64();
    let small = |name: &str| number(name).and_then(|n| i8::try_from(n).ok());
    let day = Date::new(i16::try_from(number("year")?).ok()?, small("month")?, small("day")?).ok()?;
    let time = Time::new(small("hour")?, small("minute")?, small("second")?, 0).ok()?;
    let seconds = i32::try_from(number("tz_hour")? * 3600 + number("tz_minute")? * 60).ok()?;
    let offset = Offset::from_seconds(if value["tz_before_gmt"] == true { -seconds } else { seconds }).ok()?;
    offset.to_timestamp(DateTime::from_parts(day, time)).ok()
}

fn tree(mail: &Value) -> Node {
    node(mail, 0)
}

fn node(mail: &Value, at: usize) -> Node {
    let part = &mail["parts"][at];
    let header = |name: &str| {
        let headers = part["headers"].as_array().unwrap();
        headers.iter().find(|header| header["name"] == name).map_or(&Value::Null, |header| &header["value"]["ContentType"])
    };
    let attribute = |of: &'_ Value, name: &str| {
        let found = of["attributes"].as_array().into_iter().flatten().find(|attribute| attribute["name"] == name)?;
        found["value"].as_str().map(str::to_owned)
    };
    let content_type = header("content_type");
    let body = &part["body"];
    if let Some(children) = body["Multipart"].as_array() {
        let subtype = content_type["c_subtype"].as_str().unwrap_or("mixed").to_ascii_lowercase();
        let child = |at: &Value| node(mail, usize::try_from(at.as_u64().unwrap()).unwrap());
        return Node::Multi { subtype, children: children.iter().map(child).collect() };
    }
    if let Some(inner) = body.get("Message") {
        return Node::Mail(fields(inner), Box::new(tree(inner)));
    }
    let media = content_type["c_type"].as_str().zip(content_type["c_subtype"].as_str());
    let octets = |value: &Value| value.as_array().unwrap().iter().map(|b| u8::try_from(b.as_u64().unwrap()).unwrap()).collect();
    Node::Leaf(Leaf {
        media: media.map(|(c_type, subtype)| format!("{c_type}/{subtype}").to_ascii_lowercase()),
        name: attribute(header("content_disposition"), "filename").or_else(|| attribute(content_type, "name")),
        charset: attribute(content_type, "charset"),
        content: match (body.get("Text").or_else(|| body.get("Html")), body.get("Binary").or_else(|| body.get("InlineBinary"))) {
            (Some(text), _) => Content::Text(text.as_str().unwrap().to_owned()),
            (None, Some(binary)) => Content::Octets(octets(binary)),
            (None, None) => panic!("a body of another kind: {body}"),
        },
    })
}
