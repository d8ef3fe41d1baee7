//! The module under Terraform itself: its form, its own tests, its examples.

use lastgood_tests::terraform::Terraform;

#[test]
fn the_module_is_formatted() {
    let Some(terraform) = Terraform::ready("the_module_is_formatted") else { return };
    terraform.done("", &["fmt", "-check", "-diff", "-recursive"]);
}

#[test]
fn the_modules_own_tests_pass() {
    let Some(terraform) = Terraform::with_provider("the_modules_own_tests_pass") else { return };
    terraform.begin("");
    let said = terraform.done("", &["test", "-no-color"]);
    assert!(said.contains("Success!") && !said.contains(" 0 passed"), "{said}");
}

#[test]
fn every_example_is_valid() {
    let Some(terraform) = Terraform::with_provider("every_example_is_valid") else { return };
    for example in super::folders(&terraform.folder("examples")) {
        let below = format!("examples/{example}");
        terraform.begin(&below);
        terraform.done(&below, &["validate", "-no-color"]);
    }
}
