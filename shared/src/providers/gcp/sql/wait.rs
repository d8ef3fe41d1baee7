//! Waiting for Cloud SQL: for operations to end, and for instances that nobody is at work on.

use super::{project::Project, wire::Operation};
use crate::{
    error::{Result, retry},
    providers::managed::Pauses,
};

/// How often an instance is looked at before it is left to the next invocation: some minutes.
const LOOKS: u32 = 12;

/// Waits once, and then until no operation of an instance is at work any more, for a while.
pub(super) async fn until_free(project: &Project, instance: &str, pauses: &mut Pauses<'_>) -> Result<()> {
    for _ in 0..LOOKS {
        pauses.wait().await;
        let busy = under_way(project, instance).await?;
        if busy.is_none() {
            return Ok(());
        }
    }
    Err(retry(format!("{instance} at {} is at work on something else", project.place)))
}

/// The operation that an instance is at work on, if there is one.
pub(super) async fn under_way(project: &Project, instance: &str) -> Result<Option<Operation>> {
    let operations = project.operations(instance).await?;
    Ok(operations.into_iter().find(|operation| operation.target_id == instance && !operation.is_over()))
}

/// Waits until an operation is over, and returns it as it then is. Whoever is cut short here finds it among the instance's.
pub(super) async fn until_over(project: &Project, begun: Operation, pauses: &mut Pauses<'_>) -> Result<Operation> {
    let mut operation = begun;
    while !operation.is_over() {
        pauses.wait().await;
        let name = operation.name.clone();
        operation = project.operation(&name).await?.ok_or_else(|| retry(format!("operation {name} at {} is gone", project.place)))?;
    }
    Ok(operation)
}
