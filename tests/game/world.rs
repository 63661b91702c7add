//! A random history of a vault, and what must be true of everybody in it.

use std::collections::BTreeSet;
use std::time::Duration;

use oubliette::personal::Text;
use oubliette::store::RootStore;
use oubliette::testing::TestVault;
use oubliette::{
    CustomerId, Field, OpenError, Purpose, RootKey, SealError, Sealed, ShredError, UnlessShredded, Vault,
    recovery::Recovery,
};

use crate::attack::decoder::{Key, Value};
use crate::attack::{Attacker, Effort, Loot};

pub const PURPOSES: [Purpose; 4] =
    [Purpose::new("orders"), Purpose::new("newsletter"), Purpose::new("support"), Purpose::new("p")];
/// The same in each purpose, so that only the tree tells their keys apart.
const LABELS: [&str; 2] = ["email", "a note"];
const TAG: &str = "obl.text";

/// SplitMix64: the same history from the same seed, everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    pub fn index(&mut self, of: usize) -> usize {
        usize::try_from(self.below(of as u64)).unwrap()
    }
}

/// How long and how wide a history is.
#[derive(Clone, Copy)]
pub struct Scale {
    pub steps: usize,
    /// Most customers enrolled at once.
    pub wave: u64,
    /// Jumps to numbers far away, so that pages of every level part.
    pub leaps: bool,
}

struct Instance {
    vault: Vault,
    /// How many of the purposes it was unlocked with.
    purposes: usize,
    /// The root keys it was given, as indices.
    keys: [usize; 2],
}

struct Kept {
    customer: CustomerId,
    purpose: usize,
    label: usize,
    context: Option<&'static [u8]>,
    text: String,
    sealed: Sealed<Text>,
}

pub struct World {
    pub test: TestVault,
    dice: Dice,
    scale: Scale,
    instances: Vec<Instance>,
    customers: Vec<CustomerId>,
    /// Customer and purpose.
    shredded: BTreeSet<(CustomerId, usize)>,
    /// Every number up to this one was shredded by age.
    through: i64,
    /// The same as of a lease ago: what every instance knows.
    through_for_all: i64,
    purposes: usize,
    root_key: usize,
    values: Vec<Kept>,
    /// How many root records had been written when the last shred began: the adversary has none of those.
    forgotten: usize,
    pub shreds: usize,
    pub survivors: usize,
    pub victims: usize,
}

fn key_bytes(index: usize) -> Key {
    if index == 0 { [0x5a; 32] } else { [u8::try_from(index).unwrap(); 32] }
}

fn key(index: usize) -> RootKey {
    RootKey::bytes(key_bytes(index))
}

fn field(purpose: usize, label: usize) -> Field<Text> {
    PURPOSES[purpose].field(LABELS[label])
}

impl World {
    pub fn new(seed: u64, scale: Scale) -> World {
        let test = Vault::in_memory([PURPOSES[0], PURPOSES[1]]);
        let mut world = World {
            test,
            dice: Dice::new(seed),
            scale,
            instances: Vec::new(),
            customers: Vec::new(),
            shredded: BTreeSet::new(),
            through: 0,
            through_for_all: 0,
            purposes: 2,
            root_key: 0,
            values: Vec::new(),
            forgotten: 0,
            shreds: 0,
            survivors: 0,
            victims: 0,
        };
        world.join(2);
        world.join(1);
        world
    }

    pub fn play(&mut self) {
        for _ in 0..self.scale.steps {
            self.step();
        }
    }

    fn step(&mut self) {
        match self.dice.below(20) {
            0..=3 => self.enroll(),
            4..=8 => (0..=self.dice.below(4)).for_each(|_| self.seal()),
            9..=11 => self.shred(None),
            12..=13 => {
                let purpose = self.dice.index(self.purposes);
                self.shred(Some(purpose));
            }
            14 => self.shred_through(),
            15 => self.add_purpose(),
            16 => self.rotate(),
            17 => self.sweep(),
            18 => self.wait(),
            _ if self.scale.leaps => self.leap(),
            _ => self.change_instances(),
        }
    }

    /// One more instance, on the first few purposes only.
    fn join(&mut self, purposes: usize) {
        let purposes = purposes.min(self.purposes);
        let builder = self.test.builder().purposes(PURPOSES[..purposes].iter().copied());
        let vault = builder.next_root_key(key(self.root_key + 1)).unlock(key(self.root_key)).unwrap();
        self.instances.push(Instance { vault, purposes, keys: [self.root_key, self.root_key + 1] });
    }

    fn change_instances(&mut self) {
        if self.instances.len() > 2 {
            let gone = self.dice.index(self.instances.len());
            self.instances.remove(gone);
        }
        let purposes = 1 + self.dice.index(self.purposes);
        self.join(purposes);
    }

    fn any(&mut self) -> usize {
        self.dice.index(self.instances.len())
    }

    /// Long enough for every instance to hear of everything.
    fn wait(&mut self) {
        self.through_for_all = self.through;
        self.test.advance(Duration::from_millis(1500));
    }

    pub fn enroll(&mut self) {
        let at = self.any();
        for _ in 0..=self.dice.below(self.scale.wave) {
            let customer = self.instances[at].vault.enroll().unwrap();
            assert!(!self.customers.contains(&customer), "a number is issued once");
            self.customers.push(customer);
            if customer.to_stored() <= self.through {
                // From a block that this instance reserved before they were shredded by age.
                assert!(customer.to_stored() > self.through_for_all, "a dead number is issued");
                self.set_shredded(customer, None);
            }
        }
    }

    pub fn seal(&mut self) {
        if self.customers.is_empty() {
            return;
        }
        let at = self.any();
        let customer = self.somebody();
        let (purpose, label) = (self.dice.index(self.instances[at].purposes), self.dice.index(2));
        let context: Option<&'static [u8]> = [None, Some(&b"row 7"[..]), Some(b"")][self.dice.index(3)];
        let text = format!("{customer} wrote {} about {}", self.values.len(), PURPOSES[purpose]);
        let vault = &self.instances[at].vault;
        let value: Text = text.parse().unwrap();
        let sealed = match context {
            None => vault.seal(customer, field(purpose, label), &value),
            Some(context) => vault.seal(customer, field(purpose, label).within(context), &value),
        };
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(SealError::Shredded { .. }) => return assert!(self.is_shredded(customer, purpose)),
            // Issued by another instance within the last moment; this one asks the store at most four times a lease.
            Err(SealError::NotEnrolled { .. }) => return,
            Err(error) => panic!("{error:?}"),
        };
        // An instance that has not heard of a shred yet seals on for a lease. Such a value is as dead as the others.
        self.values.push(Kept { customer, purpose, label, context, text, sealed });
    }

    /// Half of the time somebody who has written something.
    fn somebody(&mut self) -> CustomerId {
        if !self.values.is_empty() && self.dice.below(2) == 0 {
            return self.values[self.dice.index(self.values.len())].customer;
        }
        self.customers[self.dice.index(self.customers.len())]
    }

    fn is_shredded(&self, customer: CustomerId, purpose: usize) -> bool {
        self.shredded.contains(&(customer, purpose))
    }

    fn records(&self) -> usize {
        self.test.memory().records_written().len()
    }

    pub fn shred(&mut self, purpose: Option<usize>) {
        self.try_shred(purpose).unwrap();
    }

    pub fn try_shred(&mut self, purpose: Option<usize>) -> Result<(), ShredError> {
        if self.customers.is_empty() {
            return Ok(());
        }
        let knowing: Vec<usize> = (0..self.instances.len())
            .filter(|at| purpose.is_none_or(|purpose| purpose < self.instances[*at].purposes))
            .collect();
        let Some(at) = knowing.get(self.dice.index(knowing.len().max(1))) else { return Ok(()) };
        let many = if self.dice.below(3) == 0 { 1 + self.dice.below(12) } else { 1 };
        let whom: Vec<CustomerId> = (0..many).map(|_| self.somebody()).collect();
        let before = self.records();
        let vault = &self.instances[*at].vault;
        let done = match purpose {
            None => vault.shred(whom.iter().copied()),
            Some(purpose) => vault
                .shredding(whom.iter().copied().collect::<oubliette::ShredTarget>())
                .purpose(PURPOSES[purpose])
                .run(),
        };
        let _ = done?;
        self.shreds += 1;
        self.forgotten = before;
        for customer in whom {
            self.set_shredded(customer, purpose);
        }
        Ok(())
    }

    fn set_shredded(&mut self, customer: CustomerId, purpose: Option<usize>) {
        let purposes = purpose.map_or(0..self.purposes, |purpose| purpose..purpose + 1);
        self.shredded.extend(purposes.map(|purpose| (customer, purpose)));
    }

    fn shred_through(&mut self) {
        if self.customers.is_empty() {
            return;
        }
        let last = self.customers[self.dice.index(self.customers.len().div_ceil(3))];
        let (at, before) = (self.any(), self.records());
        match self.instances[at].vault.shredding(..=last).run() {
            Err(ShredError::TooNew { newest }) => return assert!(newest <= last.to_stored().cast_unsigned()),
            done => drop(done.unwrap()),
        }
        self.through = self.through.max(last.to_stored());
        self.shreds += 1;
        self.forgotten = before;
        let whom: Vec<_> = self.customers.iter().copied().filter(|customer| *customer <= last).collect();
        whom.into_iter().for_each(|customer| self.set_shredded(customer, None));
    }

    pub fn add_purpose(&mut self) {
        if self.purposes == PURPOSES.len() {
            return;
        }
        let everywhere: Vec<CustomerId> = self
            .customers
            .iter()
            .copied()
            .filter(|customer| (0..self.purposes).all(|purpose| self.is_shredded(*customer, purpose)))
            .collect();
        self.purposes += 1;
        let builder = self.test.builder().purposes(PURPOSES[..self.purposes].iter().copied()).add_missing_purposes();
        let vault = builder.next_root_key(key(self.root_key + 1)).unlock(key(self.root_key)).unwrap();
        let keys = [self.root_key, self.root_key + 1];
        self.instances.push(Instance { vault, purposes: self.purposes, keys });
        everywhere.into_iter().for_each(|customer| self.set_shredded(customer, Some(self.purposes - 1)));
    }

    fn rotate(&mut self) {
        let at = self.any();
        self.instances[at].vault.rotate_root_key(key(self.root_key + 1)).unwrap();
        self.take_up_key(self.root_key + 1);
        self.instances[at].keys = [self.root_key; 2];
    }

    /// Instances that were not given the key are opened anew.
    fn take_up_key(&mut self, index: usize) {
        self.root_key = index;
        let (told, untold): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.instances).into_iter().partition(|instance| instance.keys.contains(&index));
        let at_least = untold.iter().map(|instance| instance.purposes).collect::<Vec<_>>();
        self.instances = told;
        at_least.into_iter().for_each(|purposes| self.join(purposes));
    }

    fn sweep(&mut self) {
        let at = self.any();
        self.instances[at].vault.sweep().unwrap();
        // Superseded pages are kept for longer than a lease in real life, and for no time here.
        self.wait();
    }

    /// A recovery, which is the one way to reach numbers that it would take a billion customers to reach.
    fn leap(&mut self) {
        let far = [1 << 8, 1 << 16, 1 << 24, 1 << 32, 1 << 39][self.dice.index(5)] + self.dice.below(1000);
        let highest = self.customers.iter().map(|customer| customer.to_stored()).max().unwrap_or(0);
        if i64::try_from(far).unwrap() <= highest {
            return;
        }
        let generation = self.instances[0].vault.generation().unwrap();
        let before = self.records();
        let mut recovery = Recovery::beyond(
            generation + self.dice.below(3),
            CustomerId::from_stored(far.try_into().unwrap()).unwrap(),
        );
        if !self.customers.is_empty() {
            let customer = self.customers[self.dice.index(self.customers.len())];
            recovery = recovery.shredded([customer]);
            self.set_shredded(customer, None);
            self.forgotten = before;
            self.shreds += 1;
        }
        let builder = self.test.builder().purposes(PURPOSES[..self.purposes].iter().copied());
        let vault = builder.recover(key(self.root_key), recovery, key(self.root_key + 1)).unwrap();
        let (purposes, index) = (self.purposes, self.root_key + 1);
        self.instances.clear();
        self.root_key = index;
        self.instances.push(Instance { vault, purposes, keys: [index; 2] });
        self.join(1);
    }

    /// Every page and value ever, every root key, and the root records that no shred has asked to be forgotten.
    pub fn loot(&self) -> Loot {
        let memory = self.test.memory();
        let current = memory.read(memory.places()[0]).pop().unwrap();
        let oubliette::store::CopyContent::Intact(current) = &current.content else { panic!("no record") };
        let mut records = memory.records_written()[self.forgotten..].to_vec();
        records.push(current.clone());
        records.dedup();
        Loot {
            pages: memory.pages_put().into_iter().map(|page| page.bytes).collect(),
            records,
            root_keys: (0..=self.root_key + 1).map(key_bytes).collect(),
            values: self.values.iter().map(|kept| Value::read(kept.sealed.as_bytes(), kept.context)).collect(),
            fields: LABELS.map(|label| (label, TAG)).to_vec(),
        }
    }

    /// The game. `Err` says who won what.
    pub fn attack(&mut self, effort: Effort) -> Result<(), String> {
        let loot = self.loot();
        let opened = Attacker::new(&loot, effort).run();
        (self.survivors, self.victims) = (0, 0);
        for (index, kept) in self.values.iter().enumerate() {
            let (customer, purpose) = (kept.customer, PURPOSES[kept.purpose]);
            match (self.is_shredded(customer, kept.purpose), opened.get(&index)) {
                (true, Some(_)) => return Err(format!("customer {customer} was shredded in {purpose}, and opens")),
                (false, None) => return Err(format!("customer {customer} lives in {purpose}, and is lost")),
                (false, Some(content)) if *content != kept.text.as_bytes() => {
                    return Err(format!("customer {customer} opens as something else"));
                }
                (true, None) => self.victims += 1,
                (false, Some(_)) => self.survivors += 1,
            }
        }
        Ok(())
    }

    /// Every sealed value ever is a backup of the application's database. A new process, and all that have lived
    /// through it, open those of the living and no others.
    pub fn restore_backups(&mut self) {
        self.wait();
        self.join(PURPOSES.len());
        for instance in &self.instances {
            for kept in self.values.iter().filter(|kept| kept.purpose < instance.purposes) {
                let at = field(kept.purpose, kept.label);
                let opened = match kept.context {
                    None => instance.vault.open(kept.customer, at, &kept.sealed),
                    Some(context) => instance.vault.open(kept.customer, at.within(context), &kept.sealed),
                };
                let dead = self.is_shredded(kept.customer, kept.purpose);
                assert_eq!(matches!(opened, Err(OpenError::Shredded { .. })), dead, "{opened:?}");
                let opened = opened.unless_shredded().unwrap();
                assert_eq!(opened.is_none(), dead);
                if let Some(text) = opened {
                    assert_eq!(text.expose_personal_data(), kept.text);
                }
            }
        }
        self.instances.pop();
    }
}
