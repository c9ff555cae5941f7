//! A table of series that stays below a limit: whoever was not called for longest goes first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Something that is recorded under a key, and shown once something was recorded.
pub(crate) trait Member {
    /// What tells it from others.
    type Key: Ord + Clone;

    /// Its key.
    fn key(&self) -> &Self::Key;

    /// Its place in the table.
    fn membership(&self) -> &Membership;

    /// How much was recorded; only ever grows.
    fn recorded(&self) -> u64;

    /// Ends a slice of what it keeps by time: at every tick while it is listed, and when it comes into the list or leaves it.
    fn end_slice(&self, _tick: u64) {}
}

/// What the table knows of a member.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    listed: AtomicBool,
    /// The tick at which something had been recorded for the last time.
    active: AtomicU64,
    /// What had been recorded at the last tick.
    seen: AtomicU64,
}

impl Membership {
    /// Whether the table lists the member. One atomic load, on a cache line of the member's own.
    pub(crate) fn is_listed(&self) -> bool {
        self.listed.load(Relaxed)
    }
}

/// Members by key. A member is made when it is asked for, but listed (shown, kept alive) only from its first record on.
pub(crate) struct Table<M: Member> {
    limit: usize,
    ticks: AtomicU64,
    dropped: AtomicU64,
    state: Mutex<State<M>>,
}

struct State<M: Member> {
    listed: BTreeMap<M::Key, Arc<M>>,
    /// Everything somebody may have a handle of, so that one key never has two members.
    known: BTreeMap<M::Key, Weak<M>>,
    sweep_at: usize,
}

const FIRST_SWEEP: usize = 64;

impl<M: Member> Table<M> {
    /// A table that lists `limit` members at most, and at least one.
    pub(crate) fn new(limit: usize) -> Self {
        Table {
            limit: limit.max(1),
            ticks: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            state: Mutex::new(State {
                listed: BTreeMap::new(),
                known: BTreeMap::new(),
                sweep_at: FIRST_SWEEP,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The member with this key, made when there is none.
    pub(crate) fn get(&self, key: &M::Key, make: impl FnOnce() -> M) -> Arc<M> {
        let mut state = self.state();
        if let Some(member) = state.known.get(key).and_then(Weak::upgrade) {
            return member;
        }
        let member = Arc::new(make());
        state.known.insert(key.clone(), Arc::downgrade(&member));
        if state.known.len() >= state.sweep_at {
            state.known.retain(|_, member| member.strong_count() > 0);
            state.sweep_at = FIRST_SWEEP.max(2 * state.known.len());
        }
        member
    }

    /// Lists a member unless it is listed, as [`Membership::is_listed`] tells without asking the table.
    #[cold]
    pub(crate) fn list(&self, member: &Arc<M>) {
        let mut state = self.state();
        if member.membership().is_listed() {
            return;
        }
        if state.listed.len() >= self.limit {
            self.make_room(&mut state);
        }
        let membership = member.membership();
        let now = self.next_tick();
        // It may have been away for hours: what it kept by time is older than it seems.
        member.end_slice(now);
        membership.active.store(now, Relaxed);
        membership.listed.store(true, Relaxed);
        state
            .known
            .insert(member.key().clone(), Arc::downgrade(member));
        state
            .listed
            .insert(member.key().clone(), Arc::clone(member));
    }

    /// Takes the sixteenth that was not called for longest out of the list, so that many new members in a row do not
    /// search it each.
    fn make_room(&self, state: &mut State<M>) {
        let now = self.next_tick();
        let mut by_activity: Vec<(u64, u64, &M::Key)> = state
            .listed
            .iter()
            .map(|(key, member)| {
                let (membership, recorded) = (member.membership(), member.recorded());
                let called = recorded != membership.seen.load(Relaxed);
                let active = if called {
                    now
                } else {
                    membership.active.load(Relaxed)
                };
                (active, recorded, key)
            })
            .collect();
        by_activity.sort_unstable();
        let leaving: Vec<M::Key> = by_activity
            .into_iter()
            .take((self.limit / 16).max(1))
            .map(|(_, _, key)| key.clone())
            .collect();
        for key in leaving {
            self.unlist(state, &key);
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    fn unlist(&self, state: &mut State<M>, key: &M::Key) {
        if let Some(member) = state.listed.remove(key) {
            member.end_slice(self.next_tick());
            member.membership().listed.store(false, Relaxed);
        }
    }

    /// The tick that ends the present.
    fn next_tick(&self) -> u64 {
        self.ticks.load(Relaxed) + 1
    }

    /// Notes who was called since the last tick, and tells every listed member the number of this one.
    pub(crate) fn tick(&self, tick: u64) {
        self.ticks.store(tick, Relaxed);
        for member in self.listed() {
            let (membership, recorded) = (member.membership(), member.recorded());
            if membership.seen.swap(recorded, Relaxed) != recorded {
                membership.active.store(tick, Relaxed);
            }
            member.end_slice(tick);
        }
    }

    /// Takes members out of the list. They are listed again when something is recorded.
    pub(crate) fn forget(&self, leaves: impl Fn(&M::Key) -> bool) {
        let mut state = self.state();
        let leaving: Vec<M::Key> = state
            .listed
            .keys()
            .filter(|key| leaves(key))
            .cloned()
            .collect();
        for key in leaving {
            self.unlist(&mut state, &key);
        }
    }

    /// Every listed member, by key.
    pub(crate) fn listed(&self) -> Vec<Arc<M>> {
        self.state().listed.values().cloned().collect()
    }

    /// How many members were dropped for the limit.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counter {
        key: u32,
        membership: Membership,
        count: AtomicU64,
    }

    impl Member for Counter {
        type Key = u32;
        fn key(&self) -> &u32 {
            &self.key
        }
        fn membership(&self) -> &Membership {
            &self.membership
        }
        fn recorded(&self) -> u64 {
            self.count.load(Relaxed)
        }
    }

    fn member(table: &Table<Counter>, key: u32) -> Arc<Counter> {
        table.get(&key, || Counter {
            key,
            ..Counter::default()
        })
    }

    fn count(table: &Table<Counter>, member: &Arc<Counter>) {
        member.count.fetch_add(1, Relaxed);
        if !member.membership.is_listed() {
            table.list(member);
        }
    }

    fn listed(table: &Table<Counter>) -> Vec<u32> {
        table.listed().iter().map(|member| member.key).collect()
    }

    #[test]
    fn a_member_is_listed_from_its_first_record_on_and_is_the_same_for_everybody() {
        let table = Table::new(10);
        let first = member(&table, 7);
        assert!(listed(&table).is_empty());
        assert!(Arc::ptr_eq(&first, &member(&table, 7)));
        count(&table, &first);
        drop(first);
        assert_eq!(listed(&table), [7]);
        assert_eq!(member(&table, 7).recorded(), 1);
    }

    #[test]
    fn whoever_was_not_called_for_longest_leaves_first() {
        let table = Table::new(3);
        let members: Vec<_> = (0..5).map(|key| member(&table, key)).collect();
        [0, 1, 2]
            .into_iter()
            .for_each(|key: usize| count(&table, &members[key]));
        table.tick(1);
        [0, 2]
            .into_iter()
            .for_each(|key: usize| count(&table, &members[key]));
        table.tick(2);
        count(&table, &members[3]);
        assert_eq!(listed(&table), [0, 2, 3]);
        // Called since the last tick, so 2 is the older one.
        count(&table, &members[0]);
        count(&table, &members[4]);
        assert_eq!(listed(&table), [0, 3, 4]);
        assert_eq!(table.dropped(), 2);
    }

    #[test]
    fn a_dropped_member_goes_on_counting_and_comes_back() {
        let table = Table::new(1);
        let (one, two) = (member(&table, 1), member(&table, 2));
        count(&table, &one);
        count(&table, &two);
        assert_eq!(listed(&table), [2]);
        count(&table, &one);
        assert_eq!(listed(&table), [1]);
        assert_eq!(one.recorded(), 2);
        table.forget(|&key| key == 1);
        assert!(listed(&table).is_empty());
    }

    #[test]
    fn keys_whose_members_are_gone_are_forgotten() {
        let table = Table::new(1);
        for key in 0..10_000 {
            member(&table, key);
        }
        assert!(table.state().known.len() <= FIRST_SWEEP);
    }
}
