//! What is kept on people, why, how long, and who receives it.

use std::path::Path;

use oubliette_register::Basis;
use oubliette_register::inventory::{Declaration, Inventory, InventoryError};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::args::InventoryOf;
use crate::config::DeclaredPurpose;
use crate::context::{Context, purpose};
use crate::exit::{Exit, Failure, chain};
use crate::fields;
use crate::permissions;

pub fn run(context: &Context, asked: &InventoryOf) -> Result<Answer, Failure> {
    let inventory = of(context)?;
    asked.write.iter().chain(&asked.check).try_for_each(|file| permissions::no_pipe(file))?;
    if let Some(file) = &asked.write {
        return match inventory.write(file) {
            Ok(()) => Answer::new(format!("{} is written; commit it.\n", file.display()), json!({ "written": file })),
            Err(error) => differs(file, &error),
        };
    }
    if let Some(file) = &asked.check {
        return match inventory.check(file) {
            Ok(()) => Answer::new(format!("{} is up to date.\n", file.display()), json!({ "up_to_date": true })),
            Err(error) => differs(file, &error),
        };
    }
    let findings: Vec<String> = inventory.findings().iter().map(ToString::to_string).collect();
    let mut text = inventory.to_markdown();
    if !findings.is_empty() {
        text.push_str("\n## Not said yet\n");
        findings.iter().for_each(|finding| text.push_str(&format!("- {finding}\n")));
    }
    let document: Value =
        serde_json::from_str(&inventory.to_json()).map_err(|error| Failure::of(Exit::TryAgain, &error))?;
    let exit = if findings.is_empty() { Exit::Done } else { Exit::Found };
    Ok(Answer::new(text, json!({ "inventory": document, "not_said": findings }))?.ending(exit))
}

/// The configuration's.
pub fn of(context: &Context) -> Result<Inventory, Failure> {
    let config = &context.config;
    let name = config.controller.name.clone().ok_or_else(|| {
        Failure::new(
            Exit::Config,
            "the inventory has no controller; give `name` (with contact details) under [controller]",
        )
    })?;
    let mut inventory = Inventory::of(name);
    if let Some(officer) = &config.controller.officer {
        inventory = inventory.officer(officer.clone());
    }
    for measure in &config.controller.measures {
        inventory = inventory.measure(measure.clone());
    }
    for table in &config.tables {
        inventory = inventory.table(fields::table(table)?);
    }
    for declared in &config.purposes {
        inventory = inventory.purpose(declaration(declared)?);
    }
    Ok(inventory)
}

fn declaration(declared: &DeclaredPurpose) -> Result<Declaration, Failure> {
    let mut declaration = Declaration::of(purpose(&declared.name)?);
    if let Some(why) = &declared.why {
        declaration = declaration.why(why.clone());
    }
    if let Some(basis) = &declared.basis {
        let known = Basis::ALL.map(Basis::as_str).join(", ");
        let wrong = || Failure::new(Exit::Config, format!("{basis:?} is not a legal basis; the bases are {known}"));
        declaration = declaration.basis(basis.parse().map_err(|_| wrong())?);
    }
    if let Some(kept) = &declared.kept {
        declaration = declaration.kept(kept.clone());
    }
    match declared.recipients.as_deref() {
        None => {}
        Some([]) => declaration = declaration.nobody_receives_it(),
        Some(all) => declaration = all.iter().fold(declaration, |declared, who| declared.recipient(who.clone())),
    }
    declaration = declared.whose.iter().fold(declaration, |declared, whose| declared.whose(whose.clone()));
    declaration = declared.categories.iter().fold(declaration, |declared, of| declared.category(of.clone()));
    Ok(match declared.transfers.as_deref() {
        None => declaration,
        Some([]) => declaration.stays_inside_the_eea(),
        Some(all) => all.iter().fold(declaration, |declared, to| declared.transfer(to.clone())),
    })
}

fn differs(file: &Path, error: &InventoryError) -> Result<Answer, Failure> {
    let findings = match error {
        InventoryError::NotUpToDate { findings, .. } | InventoryError::NotWritten { findings, .. } => findings,
        InventoryError::File { .. } => return Err(Failure::of(Exit::TryAgain, error)),
        other => return Err(Failure::of(Exit::Investigate, other)),
    };
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let json = json!({ "up_to_date": false, "file": file, "findings": findings });
    Ok(Answer::new(format!("{}\n", chain(error)), json)?.ending(Exit::Grave))
}
