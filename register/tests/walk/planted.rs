//! The walk sees what it is there to see (`.ci/planted`): each of these bugs within as many histories as CI walks. All were seen within 16 of 20 seeds;
//! as many again are tried, since a seed's history depends a little on what threads of the vault's own do meanwhile.

use oubliette_register::planted::{Bug, plant};

use crate::Db;
use crate::walk::first_failure;

fn is_seen(bug: Bug) {
    let mut seen = Ok(());
    Db::run(async {
        plant(Some(bug));
        seen = first_failure(1, 2 * Db::WALKS).await.map_or(Ok(()), Err);
        plant(None);
    });
    match seen {
        Ok(()) => panic!("{bug:?} passes for a sound register"),
        Err((seed, at, error)) => println!("{bug:?}: seed {seed}, act {at}: {error}"),
    }
}

macro_rules! bugs {
    ($($name:ident: $bug:path;)*) => {$(
        #[test]
        fn $name() {
            is_seen($bug);
        }
    )*};
}

bugs! {
    planted_sweeps_the_held: Bug::SweepsTheHeld;
    planted_withdraws_the_held: Bug::WithdrawsTheHeld;
    planted_reconciles_one_way: Bug::ReconcilesOneWay;
    planted_erased_come_back: Bug::ErasedComeBack;
    planted_holds_forgotten: Bug::HoldsForgotten;
    planted_requests_revived: Bug::RequestsRevived;
    planted_nobody_asked: Bug::NobodyAsked;
    planted_rows_not_compared: Bug::RowsNotCompared;
    planted_delivered_twice: Bug::DeliveredTwice;
    planted_number_left: Bug::NumberLeft;
}
