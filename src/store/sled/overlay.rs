//! What is visible and not yet in the tree.
//!
//! A change is shown here at once and sinks into the tree with all others of its group, in one batch: the engine pays for each
//! batch with writes of its own, however little is in it. Readers look here first, then there.

use super::engine::Row;
use ::sled::IVec;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// Rows to be written (`Some`) or removed, the last word on a key counting.
pub(in crate::store) type Rows = BTreeMap<IVec, Option<IVec>>;

/// The last word on a key.
pub(in crate::store) enum Said {
    Is(IVec),
    /// Whatever the tree has.
    Removed,
}

/// The rows of the group that is being gathered, over those of the one that is being written.
#[derive(Default)]
pub(in crate::store) struct Overlay {
    fresh: Rows,
    sinking: Arc<Rows>,
}

impl Overlay {
    pub(in crate::store) fn show(&mut self, rows: Rows) {
        // Not `append`, which makes the whole map anew.
        self.fresh.extend(rows);
    }

    /// Begins to write what was gathered; a next group can be gathered meanwhile.
    pub(in crate::store) fn sink(&mut self) -> Arc<Rows> {
        self.sinking = Arc::new(std::mem::take(&mut self.fresh));
        Arc::clone(&self.sinking)
    }

    /// The group is in the tree.
    pub(in crate::store) fn sunk(&mut self) {
        self.sinking = Arc::default();
    }

    /// The last word on a key, if it is here.
    pub(in crate::store) fn get(&self, key: &[u8]) -> Option<Said> {
        let said = self.fresh.get(key).or_else(|| self.sinking.get(key))?;
        Some(said.clone().map_or(Said::Removed, Said::Is))
    }

    /// All that is here between two keys, in order.
    pub(in crate::store) fn between(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> VecDeque<(IVec, Option<IVec>)> {
        let of = |rows: &Rows| -> Rows {
            // Of an empty or reversed range a map makes a panic.
            if is_empty(from, to) { Rows::new() } else { rows.range::<[u8], _>((from, to)).map(|(k, v)| (k.clone(), v.clone())).collect() }
        };
        let mut rows = of(&self.sinking);
        rows.append(&mut of(&self.fresh));
        rows.into_iter().collect()
    }

    /// The last row between two keys that is here and not removed.
    pub(in crate::store) fn last_between(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Option<IVec> {
        let last = |rows: &Rows, over: Option<&Rows>| {
            let removed = |key: &IVec| over.is_some_and(|over| over.get(key).is_some_and(Option::is_none));
            let mut back = rows.range::<[u8], _>((from, to)).rev();
            back.find(|(key, value)| value.is_some() && !removed(key)).map(|(key, _)| key.clone())
        };
        last(&self.fresh, None).max(last(&self.sinking, Some(&self.fresh)))
    }
}

fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to)) | (Bound::Excluded(from), Bound::Included(to)) => from >= to,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}

/// The tree's rows with those of the overlay over them, from either end.
pub(in crate::store) struct Merged<T: Iterator> {
    tree: T,
    front: Option<T::Item>,
    back: Option<T::Item>,
    over: VecDeque<(IVec, Option<IVec>)>,
}

impl<E, T: DoubleEndedIterator<Item = Result<Row, E>>> Merged<T> {
    /// `over` has to be taken before the tree is asked: what sinks in between is then in both, and not in neither.
    pub(in crate::store) const fn new(over: VecDeque<(IVec, Option<IVec>)>, tree: T) -> Self {
        Self { tree, front: None, back: None, over }
    }
}

impl<E, T: DoubleEndedIterator<Item = Result<Row, E>>> Iterator for Merged<T> {
    type Item = Result<Row, E>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.front.is_none() {
                self.front = self.tree.next().or_else(|| self.back.take());
            }
            let order = match (&self.front, self.over.front()) {
                (Some(Err(_)), _) | (Some(_) | None, None) => return self.front.take(),
                (Some(Ok((key, _))), Some((over, _))) => over.cmp(key),
                (None, Some(_)) => std::cmp::Ordering::Less,
            };
            if order.is_gt() {
                return self.front.take();
            }
            if order.is_eq() {
                self.front = None;
            }
            if let Some((key, Some(value))) = self.over.pop_front() {
                return Some(Ok((key, value)));
            }
        }
    }
}

impl<E, T: DoubleEndedIterator<Item = Result<Row, E>>> DoubleEndedIterator for Merged<T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            if self.back.is_none() {
                self.back = self.tree.next_back().or_else(|| self.front.take());
            }
            let order = match (&self.back, self.over.back()) {
                (Some(Err(_)), _) | (Some(_) | None, None) => return self.back.take(),
                (Some(Ok((key, _))), Some((over, _))) => over.cmp(key),
                (None, Some(_)) => std::cmp::Ordering::Greater,
            };
            if order.is_lt() {
                return self.back.take();
            }
            if order.is_eq() {
                self.back = None;
            }
            if let Some((key, Some(value))) = self.over.pop_back() {
                return Some(Ok((key, value)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(n: u8, value: u8) -> (IVec, Option<IVec>) {
        (IVec::from(&[n]), (value != 0).then(|| IVec::from(&[value])))
    }

    proptest! {
        /// Whatever lies where, and from whichever end it is read: what is seen is the newest word on each key, in order.
        #[test]
        fn layers_read_as_one(
            tree in proptest::collection::btree_map(0..40_u8, 1..9_u8, 0..20),
            sinking in proptest::collection::btree_map(0..40_u8, 0..9_u8, 0..20),
            fresh in proptest::collection::btree_map(0..40_u8, 0..9_u8, 0..20),
            (from, to) in (0..40_u8, 0..41_u8),
            ends in proptest::collection::vec(any::<bool>(), 45),
        ) {
            let mut model = tree.clone();
            for layer in [&sinking, &fresh] {
                for (key, value) in layer {
                    if *value == 0 { model.remove(key) } else { model.insert(*key, *value) };
                }
            }
            let model: Vec<(u8, u8)> = model.into_iter().filter(|(key, _)| (from..to).contains(key)).collect();
            let mut overlay = Overlay::default();
            overlay.show(sinking.iter().map(|(k, v)| row(*k, *v)).collect());
            overlay.sink();
            overlay.show(fresh.iter().map(|(k, v)| row(*k, *v)).collect());

            let in_tree = |key: &u8| (from..to).contains(key);
            let rows: Vec<Result<Row, ()>> =
                tree.iter().filter(|(k, _)| in_tree(k)).map(|(k, v)| Ok((IVec::from(&[*k]), IVec::from(&[*v])))).collect();
            let (low, high) = ([from], [to]);
            let bounds = (Bound::Included(&low[..]), Bound::Excluded(&high[..]));
            let mut merged = Merged::new(overlay.between(bounds.0, bounds.1), rows.into_iter());
            let (mut first, mut last) = (Vec::new(), Vec::new());
            for from_front in ends {
                let row = if from_front { merged.next() } else { merged.next_back() };
                let Some(Ok((key, value))) = row else { break };
                if from_front { first.push((key[0], value[0])) } else { last.push((key[0], value[0])) }
            }
            first.extend(last.into_iter().rev());
            prop_assert_eq!(&first, &model);

            for key in 0..40_u8 {
                let seen = match overlay.get(&[key]) {
                    Some(Said::Is(value)) => Some(value),
                    Some(Said::Removed) => None,
                    None => tree.get(&key).map(|v| IVec::from(&[*v])),
                };
                if in_tree(&key) {
                    prop_assert_eq!(seen.map(|v| v[0]), model.iter().find(|(k, _)| *k == key).map(|(_, v)| *v));
                }
            }
            if from < to {
                let here: Vec<u8> = overlay.between(bounds.0, bounds.1).into_iter().filter(|(_, v)| v.is_some()).map(|(k, _)| k[0]).collect();
                prop_assert_eq!(overlay.last_between(bounds.0, bounds.1).map(|k| k[0]), here.last().copied());
            }
        }
    }
}
