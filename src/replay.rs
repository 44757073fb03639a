//! What would have been: messages and answers of the past through another configuration, on a simulated clock.
//!
//! ```text
//! archive ─┐                    ┌─► simulation of the configuration in force ─┐
//!          ├─ items by time ─ read                                            ├─► comparison
//! store ───┘                    └─► simulation of the other ──────────────────┘
//! ```
//!
//! A [`past::Item`] is one thing that was said, with its time: from mbox files and Maildirs ([`archive`]), or from the desk's own store
//! ([`stored`]), which also knows who spoke and in which ticket. Both configurations hear the same, each in a
//! [`simulation::Simulation`]: the very decisions of the daemon on a store of memory ([`crate::domain::model`]), with its clocks coming due
//! in between. Answers of the past stand for what people do ([`answer`]): who would get a ticket changes nothing about when it was
//! answered. [`compare`] tells the difference. Nothing is sent, looked up or kept.

pub mod answer;
pub mod archive;
pub mod compare;
pub mod past;
pub mod simulation;
pub mod stored;

use crate::domain::policy::Policy;
use crate::mail::normalise::NormaliseLimits;
use compare::Outcome;
use jiff::Timestamp;
use past::{Heard, Item};
use simulation::Simulation;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Messages that may wait for a simulation: enough that neither waits for the other, and few in memory.
const WAITING_MAX: usize = 32;

/// Takes items in the order of their times, as they are found, and gives what became of them under each configuration.
pub struct Replay {
    policies: [Arc<Policy>; 2],
    until: Timestamp,
    limits: NormaliseLimits,
}

/// Where items are handed in.
pub struct Feed<'a> {
    replay: &'a Replay,
    ways: Vec<SyncSender<Arc<Heard>>>,
}

impl Replay {
    /// The configuration in force, and the other; time goes on to `until`, also where nobody says anything any more.
    #[must_use]
    pub fn new(in_force: Arc<Policy>, other: Arc<Policy>, until: Timestamp) -> Self {
        Self { policies: [in_force, other], until, limits: NormaliseLimits::default() }
    }

    /// Both simulations run beside the one who feeds them; `tell` gives the items.
    ///
    /// # Errors
    /// What `tell` met.
    pub fn run<F>(&self, tell: impl FnOnce(&mut Feed<'_>) -> Result<(), F>) -> Result<[Outcome; 2], F> {
        std::thread::scope(|scope| {
            let mut ways = Vec::new();
            let running = self.policies.each_ref().map(|policy| {
                let (way, heard) = sync_channel(WAITING_MAX);
                ways.push(way);
                scope.spawn(move || simulate(policy, &heard, self.until))
            });
            let mut feed = Feed { replay: self, ways };
            let told = tell(&mut feed);
            // The simulations end when nobody can say anything any more.
            drop(feed);
            let outcomes = running.map(|simulation| simulation.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            told.map(|()| outcomes)
        })
    }
}

fn simulate(policy: &Arc<Policy>, heard: &Receiver<Arc<Heard>>, until: Timestamp) -> Outcome {
    let mut simulation = Simulation::new(Arc::clone(policy));
    for heard in heard {
        simulation.hears(&heard);
    }
    simulation.ends(until)
}

impl Feed<'_> {
    /// Reads an item and lets both simulations hear it.
    pub fn take(&mut self, item: Item) {
        let is_agent = |address: &_| self.replay.policies.iter().any(|policy| policy.agent(address).is_some());
        let heard = Arc::new(Heard::read(item, &self.replay.limits, is_agent));
        for way in &self.ways {
            // A simulation that has ended has panicked: whoever waits for it is told.
            let _ = way.send(Arc::clone(&heard));
        }
    }
}

#[cfg(test)]
mod tests;
