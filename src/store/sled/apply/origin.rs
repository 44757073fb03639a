//! By which routes a message came: one small row beside it, written with the message and with each copy that comes another way.

use super::{Applier, Rows};
use crate::domain::change::{Change, Landing};
use crate::domain::message::Origin;
use crate::store::fault::StoreFault;
use crate::store::sled::keys;
use crate::store::sled::record::OriginRecord;

impl Applier {
    /// The origin of a message that lands: what was known of it in quarantine, and the route by which it came now.
    pub(super) fn put_origin(&mut self, change: &Change, landing: Landing, rows: &mut Rows) -> Result<(), StoreFault> {
        let before = match (change.releases, &change.whole) {
            (Some(id), _) => self.engine.origin(Landing::Quarantine { id })?,
            (None, Some(_)) => self.engine.origin(landing)?,
            (None, None) => None,
        };
        let mut origin = Origin { cut: change.cut, ..before.unwrap_or_default() };
        if let Some(arrival) = &change.arrival {
            origin.add(arrival);
        }
        // Of chat, and of what was taken in before routes were kept, there is nothing to say.
        if origin == Origin::default() { Ok(()) } else { self.put(rows, keys::origin(landing), &OriginRecord::from(&origin)) }
    }

    /// Another copy of a message that is known: its route is noted, unless it is known, too.
    pub(super) fn put_route(&mut self, change: &Change, landing: Landing, rows: &mut Rows) -> Result<(), StoreFault> {
        let Some(arrival) = &change.arrival else { return Ok(()) };
        let mut origin = self.engine.origin(landing)?.unwrap_or_default();
        if origin.add(arrival) { self.put(rows, keys::origin(landing), &OriginRecord::from(&origin)) } else { Ok(()) }
    }
}
