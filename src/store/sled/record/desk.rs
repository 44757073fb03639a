//! What the desk remembers of itself.

use super::{Ms, Record, Unreadable};
use crate::domain::ops::{DeskState, Silence};
use serde::{Deserialize, Serialize};

/// A [`DeskState`]; there is one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct DeskRecord {
    version: u64,
    outbox: u32,
    digest_at: Option<Ms>,
    told_quarantine: u64,
    told_undeliverable: u64,
    silences: Vec<SilenceRecord>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SilenceRecord {
    mailbox: String,
    since: Ms,
    told: Ms,
    last_success: Option<Ms>,
    ended: Option<Ms>,
}

impl Record for DeskRecord {
    const KIND: &'static str = "desk's state";
    const VERSION: u8 = 1;
}

impl DeskRecord {
    /// As it is stored: one version on.
    pub(in crate::store) fn next(state: &DeskState) -> Self {
        // Without `..`: a new field must be thought of here.
        let DeskState { version, outbox, digest_at, told_quarantine, told_undeliverable, silences } = state;
        let silence = |silence: &Silence| {
            let Silence { mailbox, since, told, last_success, ended } = silence;
            SilenceRecord {
                mailbox: mailbox.clone(),
                since: (*since).into(),
                told: (*told).into(),
                last_success: last_success.map(Ms::from),
                ended: ended.map(Ms::from),
            }
        };
        Self {
            version: version.saturating_add(1),
            outbox: *outbox,
            digest_at: digest_at.map(Ms::from),
            told_quarantine: *told_quarantine,
            told_undeliverable: *told_undeliverable,
            silences: silences.iter().map(silence).collect(),
        }
    }
}

impl TryFrom<DeskRecord> for DeskState {
    type Error = Unreadable;

    fn try_from(record: DeskRecord) -> Result<Self, Unreadable> {
        let silence = |silence: SilenceRecord| {
            Ok(Silence {
                mailbox: silence.mailbox,
                since: silence.since.try_into()?,
                told: silence.told.try_into()?,
                last_success: silence.last_success.map(TryInto::try_into).transpose()?,
                ended: silence.ended.map(TryInto::try_into).transpose()?,
            })
        };
        Ok(Self {
            version: record.version,
            outbox: record.outbox,
            digest_at: record.digest_at.map(TryInto::try_into).transpose()?,
            told_quarantine: record.told_quarantine,
            told_undeliverable: record.told_undeliverable,
            silences: record.silences.into_iter().map(silence).collect::<Result<_, Unreadable>>()?,
        })
    }
}
