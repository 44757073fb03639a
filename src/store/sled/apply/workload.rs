//! What agents have to do: a count for each, moved in the commit that moves a ticket, and built once for a store that had none.

use super::{Applier, Rows};
use crate::domain::assign::{self, Load, Workload};
use crate::domain::away::{Absence, Away};
use crate::domain::change::Change;
use crate::domain::message::TicketNumber;
use crate::domain::ticket::Ticket;
use crate::store::TicketFilter;
use crate::store::fault::StoreFault;
use crate::store::sled::engine::{Engine, Row};
use crate::store::sled::keys::{self, Key, Kind};
use crate::store::sled::read::bad_key;
use crate::store::sled::record::{AwayRecord, LoadRecord, Record, TurnRecord};
use std::collections::BTreeMap;

impl Applier {
    /// Moves the counts of all whose tickets the change takes or gives, and notes whose turn it was and who is away.
    pub(super) fn put_workload(
        &mut self,
        change: &Change,
        stored: &BTreeMap<TicketNumber, Ticket>,
        rows: &mut Rows,
    ) -> Result<(), StoreFault> {
        // A change may move two tickets of one agent.
        let mut loads = BTreeMap::new();
        for ticket in &change.tickets {
            let (before, after) = (stored.get(&ticket.number).and_then(assign::bearer), assign::bearer(ticket));
            if before == after {
                continue;
            }
            if let Some((agent, priority)) = before {
                self.load_in(&mut loads, agent)?.take(priority);
            }
            if let Some((agent, priority)) = after {
                self.load_in(&mut loads, agent)?.add(priority);
            }
        }
        for (agent, load) in loads {
            if load == Load::default() {
                rows.remove(keys::load(&agent));
            } else {
                self.put(rows, keys::load(&agent), &LoadRecord::from(load))?;
            }
        }
        match &change.absence {
            Some(Absence::Begins(away)) => self.put(rows, keys::away(&away.agent), &AwayRecord::from(away))?,
            Some(Absence::Ends(agent)) => rows.remove(keys::away(agent)),
            None => {}
        }
        let Some(turn) = &change.turn else { return Ok(()) };
        self.put(rows, keys::turn(&turn.team, &turn.agent), &TurnRecord::from(turn))
    }

    fn load_in<'l>(&self, loads: &'l mut BTreeMap<String, Load>, agent: &str) -> Result<&'l mut Load, StoreFault> {
        let agent = assign::key(agent);
        if !loads.contains_key(&agent) {
            loads.insert(agent.clone(), self.engine.load_of(&agent)?);
        }
        Ok(loads.entry(agent).or_default())
    }
}

impl Engine {
    fn load_of(&self, agent: &str) -> Result<Load, StoreFault> {
        Ok(self.load::<LoadRecord>(&keys::load(agent))?.map(Load::from).unwrap_or_default())
    }

    /// All loads and turns, of one moment.
    pub(in crate::store) fn workload(&self) -> Result<Workload, StoreFault> {
        let _one_moment = self.one_moment();
        let mut workload = Workload::default();
        for row in self.scan(&Key::of(Kind::Load)) {
            let (key, value) = row?;
            let agent = keys::read_load(&key).ok_or_else(|| bad_key(LoadRecord::KIND))?;
            workload.loads.insert(agent, self.read::<LoadRecord>(&value)?.into());
        }
        for row in self.scan(&Key::of(Kind::Turn)) {
            workload.turns.push(self.read::<TurnRecord>(&row?.1)?.into());
        }
        Ok(workload)
    }

    /// All who said that they are away.
    pub(in crate::store) fn away(&self) -> Result<Vec<Away>, StoreFault> {
        let _one_moment = self.one_moment();
        self.away_now()
    }

    /// The same for who holds the moment already.
    pub(in crate::store) fn away_now(&self) -> Result<Vec<Away>, StoreFault> {
        let read = || self.scan(&Key::of(Kind::Away)).map(|row| self.away_of_row(&row?)).collect();
        Ok(self.away_or(read)?.to_vec())
    }

    pub(in crate::store) fn away_of_row(&self, (key, value): &Row) -> Result<Away, StoreFault> {
        let agent = keys::read_load(key).ok_or_else(|| bad_key(AwayRecord::KIND))?;
        self.read::<AwayRecord>(value)?.away(agent).map_err(|word| word.of(AwayRecord::KIND))
    }

    /// The loads as the tickets have them. A ticket that cannot be read, which `verify` tells of, is nobody's.
    pub(in crate::store) fn count_loads(&self) -> Result<BTreeMap<String, Load>, StoreFault> {
        let mut loads = BTreeMap::<String, Load>::new();
        for ticket in self.tickets(TicketFilter::NotClosed) {
            match ticket {
                Ok(ticket) => {
                    if let Some((agent, priority)) = assign::bearer(&ticket) {
                        loads.entry(assign::key(agent)).or_default().add(priority);
                    }
                }
                Err(fault @ StoreFault::Io(_)) => return Err(fault),
                Err(fault) => tracing::error!(%fault, "a ticket cannot be read and is not counted"),
            }
        }
        Ok(loads)
    }
}
