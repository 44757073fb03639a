//! What agents have to do, and who is away.

use super::{Ms, Record, Unreadable};
use crate::domain::assign::{Load, Turn};
use crate::domain::away::Away;
use serde::{Deserialize, Serialize};

/// A [`Load`], by priority; the agent is the key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::store) struct LoadRecord([u32; 4]);

impl Record for LoadRecord {
    const KIND: &'static str = "load of an agent";
    const VERSION: u8 = 1;
}

impl From<Load> for LoadRecord {
    fn from(Load(tickets): Load) -> Self {
        Self(tickets)
    }
}

impl From<LoadRecord> for Load {
    fn from(LoadRecord(tickets): LoadRecord) -> Self {
        Self(tickets)
    }
}

/// A [`Turn`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct TurnRecord {
    team: String,
    agent: String,
    n: u64,
}

impl Record for TurnRecord {
    const KIND: &'static str = "turn of an agent";
    const VERSION: u8 = 1;
}

impl From<&Turn> for TurnRecord {
    fn from(Turn { team, agent, n }: &Turn) -> Self {
        Self { team: team.clone(), agent: agent.clone(), n: *n }
    }
}

impl From<TurnRecord> for Turn {
    fn from(TurnRecord { team, agent, n }: TurnRecord) -> Self {
        Self { team, agent, n }
    }
}

/// An [`Away`]; the agent is the key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::store) struct AwayRecord {
    since: Ms,
    until: Option<Ms>,
}

impl Record for AwayRecord {
    const KIND: &'static str = "absence of an agent";
    const VERSION: u8 = 1;
}

impl From<&Away> for AwayRecord {
    fn from(Away { agent: _, since, until }: &Away) -> Self {
        Self { since: (*since).into(), until: until.map(Ms::from) }
    }
}

impl AwayRecord {
    pub(in crate::store) fn away(self, agent: String) -> Result<Away, Unreadable> {
        Ok(Away { agent, since: self.since.try_into()?, until: self.until.map(TryInto::try_into).transpose()? })
    }
}
