# Five cron fields, told as EventBridge Scheduler reads them.

run "translation" {
  command = apply
  module {
    source = "./cron"
  }
  variables {
    schedules = {
      nightly         = "0 2 * * *"
      weekly          = "0 6 * * 0"
      sunday_as_seven = "0 6 * * 7"
      sunday_by_name  = "0 6 * * sun"
      working_days    = "30 2 * * 1-5"
      by_names        = "30 2 * * MON-FRI"
      to_the_seventh  = "0 0 * * 5-7"
      list            = "0 0 * * 6,0,2"
      quarters        = "*/15 * * * *"
      odd_steps       = "*/25 */7 * * *"
      in_a_range      = "5-20/5 9-17/4 * * *"
      every_other_day = "0 0 * * */2"
      monthly         = "0 4 1 * *"
      months_by_name  = "0 4 1 jan,JUL *"
      months_by_step  = "0 4 1 */3 *"
      either          = "0 4 1,15 * 1"
      question        = "0 4 ? * ?"
      last_day        = "0 4 L * *"
      near_weekday    = "0 4 15W * *"
      second_tuesday  = "0 4 * * 2#2"
      last_sunday     = "0 4 * * 7L"
      spaces          = "  0   2  * *   * "
      doubled         = "0,0,30 2 * * *"
    }
  }
  assert {
    condition = output.expressions == {
      nightly         = ["cron(0 2 * * ? *)"]
      weekly          = ["cron(0 6 ? * 1 *)"]
      sunday_as_seven = ["cron(0 6 ? * 1 *)"]
      sunday_by_name  = ["cron(0 6 ? * 1 *)"]
      working_days    = ["cron(30 2 ? * 2,3,4,5,6 *)"]
      by_names        = ["cron(30 2 ? * 2,3,4,5,6 *)"]
      to_the_seventh  = ["cron(0 0 ? * 1,6,7 *)"]
      list            = ["cron(0 0 ? * 1,3,7 *)"]
      quarters        = ["cron(0,15,30,45 * * * ? *)"]
      odd_steps       = ["cron(0,25,50 0,7,14,21 * * ? *)"]
      in_a_range      = ["cron(5,10,15,20 9,13,17 * * ? *)"]
      every_other_day = ["cron(0 0 ? * 1,3,5,7 *)"]
      monthly         = ["cron(0 4 1 * ? *)"]
      months_by_name  = ["cron(0 4 1 1,7 ? *)"]
      months_by_step  = ["cron(0 4 1 1,4,7,10 ? *)"]
      either          = ["cron(0 4 1,15 * ? *)", "cron(0 4 ? * 2 *)"]
      question        = ["cron(0 4 * * ? *)"]
      last_day        = ["cron(0 4 L * ? *)"]
      near_weekday    = ["cron(0 4 15W * ? *)"]
      second_tuesday  = ["cron(0 4 ? * 3#2 *)"]
      last_sunday     = ["cron(0 4 ? * 1L *)"]
      spaces          = ["cron(0 2 * * ? *)"]
      doubled         = ["cron(0,30 2 * * ? *)"]
    }
    error_message = jsonencode(output.expressions)
  }
}

run "what_cannot_be_told_is_named" {
  command = plan
  module {
    source = "./cron"
  }
  variables {
    schedules = { four = "0 2 * *", both = "0 2 * * +1", mixed = "0 2 L,3 * *", last_weekday = "0 2 LW * *", good = "0 2 * * *" }
  }
  expect_failures = [output.expressions]
}
