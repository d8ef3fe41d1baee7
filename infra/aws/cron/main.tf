# Tells a schedule of lastgood.yaml (five cron fields) in the words of EventBridge Scheduler (six fields, Sunday is 1, and of
# the two fields for days one must be `?`). Numbers are spelled out, so that no dialect of steps and ranges is left to doubt.
#
# Cron fires when the day of the month or the day of the week fits; EventBridge cannot say "or". Such a schedule becomes two.

terraform {
  required_version = ">= 1.9"
}

variable "schedules" {
  description = "Five cron fields each, in UTC, by name."
  type        = map(string)
}

locals {
  # Upper case, names of months and weekdays as numbers.
  words = {
    JAN = "1", FEB = "2", MAR = "3", APR = "4", MAY = "5", JUN = "6", JUL = "7", AUG = "8", SEP = "9", OCT = "10", NOV = "11", DEC = "12",
    SUN = "0", MON = "1", TUE = "2", WED = "3", THU = "4", FRI = "5", SAT = "6"
  }
  fields = {
    for name, text in var.schedules : name => [
      for field in split(" ", trimspace(replace(upper(text), "/\\s+/", " "))) :
      join("", [for part in regexall("[A-Z]+|[^A-Z]+", field) : lookup(local.words, part, part)])
    ]
  }

  least = [0, 0, 1, 1, 0]
  most  = [59, 23, 31, 12, 7]

  # The last day, the weekday nearest to a day; the nth or last of a weekday. Elsewhere nothing matches.
  modified = ["^none$", "^none$", "^(L|[0-9]+W)$", "^none$", "^[0-7](#[1-5]|L)$"]

  # Only what has five fields is looked at; the precondition below names the others.
  five = { for name, fields in local.fields : name => fields if length(fields) == 5 }

  # What each field stands for: `*`, a word with a modifier (L, W, #) as it is, or the numbers.
  parts = {
    for name, fields in local.five : name => [
      for n, field in fields : [
        for part in split(",", field) : {
          all  = contains(["*", "?"], part)
          word = can(regex(local.modified[n], part))
          from = try(tonumber(regex("^[0-9]+", part)), local.least[n])
          to   = try(tonumber(regex("^[0-9]+-([0-9]+)", part)[0]), can(regex("^[0-9]+$", part)) ? tonumber(part) : local.most[n])
          step = try(tonumber(regex("/([0-9]+)$", part)[0]), 1)
          text = part
          ok   = can(regex(local.modified[n], part)) || can(regex("^([*?]|(\\*|[0-9]+-[0-9]+)(/[1-9][0-9]*)?|[0-9]+)$", part))
        }
      ]
    ]
  }
  sets = {
    for name, fields in local.parts : name => [
      for n, parts in fields : distinct(flatten([
        for part in parts : part.word ? [] : [
          for value in range(local.least[n], local.most[n] + 1) : n == 4 ? value % 7 : value
          if value >= part.from && value <= part.to && (value - part.from) % part.step == 0
        ]
      ]))
    ]
  }
  words_of = { for name, fields in local.parts : name => [for parts in fields : [for part in parts : part.text if part.word]] }

  # A field as EventBridge reads it. Weekdays move up by one.
  told = {
    for name, sets in local.sets : name => [
      for n, set in sets : join(",", concat(
        [for value in range(local.least[n], local.most[n] + 1) : tostring(n == 4 ? value + 1 : value) if contains(set, value)],
        [for word in local.words_of[name][n] : n == 4 ? "${tonumber(substr(word, 0, 1)) % 7 + 1}${substr(word, 1, -1)}" : word]
      ))
    ]
  }
  starred = { for name, parts in local.parts : name => [for part in parts : length(part) == 1 && part[0].all] }

  expressions = {
    for name, told in local.told : name => [
      for days in(
        local.starred[name][2] && local.starred[name][4] ? [["*", "?"]] :
        local.starred[name][4] ? [[told[2], "?"]] :
        local.starred[name][2] ? [["?", told[4]]] :
        [[told[2], "?"], ["?", told[4]]]
      ) :
      format("cron(%s %s %s %s %s *)",
        local.starred[name][0] ? "*" : told[0], local.starred[name][1] ? "*" : told[1], days[0],
      local.starred[name][3] ? "*" : told[3], days[1])
    ]
  }

  # A modifier stands alone in its field.
  unclear = [
    for name in keys(var.schedules) : name if !contains(keys(local.five), name) || anytrue(flatten([
      for parts in try(local.parts[name], []) : [for part in parts : !part.ok || (part.word && length(parts) > 1)]
    ]))
  ]
}

output "expressions" {
  description = "One expression of EventBridge Scheduler for each schedule, or two where both kinds of day are restricted."
  value       = local.expressions
  precondition {
    condition     = length(local.unclear) == 0
    error_message = "These schedules cannot be told to EventBridge: ${join(", ", [for name in local.unclear : "${name} (${var.schedules[name]})"])}. Write five fields of numbers, names, ranges, steps and lists; L, W and # only alone in their field."
  }
}
