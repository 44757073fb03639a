//! The configuration as it is written: every key optional, no value judged. It does not leave `config/`; what is wanted
//! and what is right is said in [`super::checked`].

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use std::fmt;

/// Sections that are lists of tables: those of a later file are added behind those of an earlier one.
pub(super) const LISTS: [&str; 7] = ["mailbox", "team", "agent", "calendar", "tier", "sla", "rule"];

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Written {
    pub(super) desk: Desk,
    pub(super) mailbox: Vec<Mailbox>,
    pub(super) smtp: Option<Smtp>,
    pub(super) chat: Option<Chat>,
    pub(super) http: Option<Http>,
    pub(super) dns: Dns,
    pub(super) customers: Customers,
    pub(super) team: Vec<Team>,
    pub(super) agent: Vec<Agent>,
    pub(super) calendar: Vec<Calendar>,
    pub(super) tier: Vec<Tier>,
    pub(super) sla: Vec<Sla>,
    pub(super) rule: Vec<Rule>,
    pub(super) limits: Limits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Desk {
    pub(super) name: Option<String>,
    pub(super) state_dir: Option<String>,
    pub(super) languages: Option<Words>,
    pub(super) customers: Option<String>,
    pub(super) templates: Option<String>,
    pub(super) cues: Option<String>,
    pub(super) first_number: Option<u64>,
    pub(super) close_solved_after: Option<String>,
    pub(super) reopen_closed_within: Option<String>,
    pub(super) nudge_after: Option<String>,
    pub(super) nudges_max: Option<u64>,
    pub(super) close_pending_after: Option<String>,
    pub(super) promise_reminders: Option<OneOrMany>,
    pub(super) copied_follow: Option<String>,
    pub(super) review_after: Option<String>,
    pub(super) acks_per_hour_max: Option<u32>,
    pub(super) acks_per_hour_known_max: Option<u32>,
    pub(super) acks_per_hour_domain_max: Option<u32>,
    pub(super) acks_per_hour_mailbox_max: Option<u32>,
    pub(super) acks_per_hour_desk_max: Option<u32>,
    pub(super) trusted_authserv_ids: Option<Words>,
    pub(super) agents_must_authenticate: Option<bool>,
    pub(super) undeliverable_for: Option<String>,
    pub(super) attached_octets_max: Option<u64>,
    pub(super) ops: Option<Words>,
    pub(super) digest_at: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Mailbox {
    pub(super) name: Option<String>,
    pub(super) address: Option<String>,
    pub(super) team: Option<String>,
    pub(super) imap: Option<Imap>,
    pub(super) folder: Option<String>,
    pub(super) after: Option<String>,
    pub(super) poll_every: Option<String>,
    pub(super) silent_after: Option<String>,
    pub(super) trusted_authserv_ids: Option<Words>,
    pub(super) check_senders: Option<bool>,
    pub(super) relays: Option<Words>,
    pub(super) trusted_arc_sealers: Option<Words>,
    pub(super) lists: Option<Words>,
    pub(super) maildir: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Imap {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) tls: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
    pub(super) password_file: Option<String>,
    pub(super) sign_in_as: Option<String>,
    pub(super) token_file: Option<String>,
    pub(super) token_command: Option<OneOrMany>,
    pub(super) oauth: Option<OAuth>,
    pub(super) ca_file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct OAuth {
    pub(super) token_url: Option<String>,
    pub(super) ca_file: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret_file: Option<String>,
    pub(super) client_auth: Option<String>,
    pub(super) grant: Option<String>,
    pub(super) refresh_token_file: Option<String>,
    pub(super) scope: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Smtp {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) tls: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
    pub(super) password_file: Option<String>,
    pub(super) ca_file: Option<String>,
    pub(super) hello: Option<String>,
    pub(super) connections: Option<u32>,
    pub(super) time_limit: Option<String>,
    pub(super) maildir: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Chat {
    pub(super) listen: Option<String>,
    pub(super) origins: Option<Words>,
    pub(super) identity_secret_file: Option<String>,
    pub(super) team: Option<String>,
    pub(super) mailbox: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Http {
    pub(super) listen: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Dns {
    pub(super) servers: Option<Words>,
    pub(super) timeout: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
#[expect(clippy::struct_field_names, reason = "the names of the keys")]
pub(super) struct Customers {
    pub(super) lookup_url: Option<String>,
    pub(super) lookup_timeout: Option<String>,
    pub(super) lookup_token_file: Option<String>,
    pub(super) lookup_ca_file: Option<String>,
    pub(super) lookup_kept_for: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Team {
    pub(super) name: Option<String>,
    pub(super) title: Option<String>,
    pub(super) calendar: Option<String>,
    pub(super) manager: Option<String>,
    pub(super) assign: Option<String>,
    pub(super) cap: Option<u32>,
    pub(super) fallback: Option<String>,
    pub(super) sticky: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Agent {
    pub(super) handle: Option<String>,
    pub(super) name: Option<String>,
    pub(super) address: Option<String>,
    pub(super) teams: Option<OneOrMany>,
    pub(super) languages: Option<Words>,
    pub(super) time_zone: Option<String>,
    pub(super) skills: Option<Words>,
    pub(super) duty: Option<String>,
    pub(super) cap: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Calendar {
    pub(super) name: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) open: Option<OneOrMany>,
    pub(super) closed: Option<OneOrMany>,
    pub(super) holidays: Option<String>,
    pub(super) extra: Option<OneOrMany>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Tier {
    pub(super) name: Option<String>,
    pub(super) plans: Option<OneOrMany>,
    pub(super) priority: Option<String>,
    pub(super) checkin_after: Option<OneOrMany>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Sla {
    pub(super) name: Option<String>,
    pub(super) tier: Option<String>,
    pub(super) priority: Option<String>,
    pub(super) channel: Option<String>,
    pub(super) calendar: Option<String>,
    pub(super) first_response: Option<String>,
    pub(super) next_response: Option<String>,
    pub(super) resolution: Option<String>,
    pub(super) update_every: Option<String>,
    pub(super) warn_at: Option<f64>,
    pub(super) pause: Option<Words>,
    pub(super) delay_notice_at: Option<f64>,
    pub(super) delay_by: Option<String>,
    pub(super) escalate: Option<OneOrMany>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Rule {
    pub(super) name: Option<String>,
    pub(super) when: When,
    pub(super) unless: Option<When>,
    pub(super) then: Option<Then>,
    pub(super) stop: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct When {
    pub(super) channel: Option<OneOrMany>,
    pub(super) mailbox: Option<OneOrMany>,
    pub(super) tier: Option<OneOrMany>,
    pub(super) plan: Option<OneOrMany>,
    pub(super) organisation: Option<OneOrMany>,
    pub(super) sender: Option<OneOrMany>,
    pub(super) authenticity: Option<OneOrMany>,
    pub(super) language: Option<OneOrMany>,
    pub(super) first_contact: Option<bool>,
    pub(super) reopened: Option<bool>,
    pub(super) hours: Option<String>,
    pub(super) attachment: Option<bool>,
    pub(super) attachment_type: Option<OneOrMany>,
    pub(super) attachment_octets_min: Option<u64>,
    pub(super) header: Vec<Header>,
    pub(super) subject: Option<OneOrMany>,
    pub(super) text: Option<OneOrMany>,
    pub(super) body: Option<OneOrMany>,
    pub(super) subject_regex: Option<OneOrMany>,
    pub(super) text_regex: Option<OneOrMany>,
    pub(super) body_regex: Option<OneOrMany>,
    pub(super) cue: Option<OneOrMany>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Header {
    pub(super) name: Option<String>,
    pub(super) text: Option<OneOrMany>,
    pub(super) regex: Option<OneOrMany>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Then {
    pub(super) team: Option<String>,
    pub(super) priority: Option<String>,
    pub(super) tags: Option<OneOrMany>,
    pub(super) assignee: Option<String>,
    pub(super) skill: Option<OneOrMany>,
    pub(super) policy: Option<String>,
    pub(super) template: Option<String>,
    pub(super) notify: Option<OneOrMany>,
    pub(super) hold: Option<bool>,
    pub(super) spam: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Limits {
    pub(super) message_octets_max: Option<u64>,
    pub(super) intake_octets_max: Option<u64>,
    pub(super) imap_connections_per_host_max: Option<u64>,
    pub(super) imap_connections_per_user_max: Option<u64>,
    pub(super) spool_octets: Option<u64>,
    pub(super) fetch_octets_max: Option<u64>,
    pub(super) chat_frame_octets_max: Option<u64>,
    pub(super) chat_connections_max: Option<u64>,
    pub(super) chat_messages_per_minute_max: Option<u32>,
}

/// A text, or a list of texts.
#[derive(Clone, Debug, Default)]
pub(super) struct OneOrMany(pub(super) Vec<String>);

/// A list of single words; as one text they stand between commas, as the environment has to write them.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Texts).map(Self)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = deserializer.deserialize_any(Texts)?;
        let words = texts.iter().flat_map(|text| text.split(',')).map(|word| word.trim().to_owned());
        Ok(Self(words.filter(|word| !word.is_empty()).collect()))
    }
}

struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in quotes or a list of them")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(text) = texts.next_element()? {
            all.push(text);
        }
        Ok(all)
    }
}
