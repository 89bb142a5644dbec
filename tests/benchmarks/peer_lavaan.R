# The peer's side: fits each model named on the command line, and prints chi-square and processor seconds of each run.
# lavaan is under the GPL: it runs as a program of its own, and only its numbers come back.
suppressMessages(library(lavaan))
args <- commandArgs(trailingOnly = TRUE)
runs <- as.integer(args[1])
cat(as.character(packageVersion("lavaan")), "\n")
for (folder in args[-1]) {
  data <- read.csv(file.path(folder, "data.csv"))
  model <- paste(readLines(file.path(folder, "model.txt")), collapse = "\n")
  all <- function() suppressWarnings({
    fit <- sem(model, data)
    parameterEstimates(fit, standardized = TRUE)
    fitMeasures(fit)
  })
  chisq <- all()[["chisq"]]
  seconds <- replicate(runs, sum(system.time(all())[c("user.self", "sys.self")]))
  cat(format(chisq, digits = 10), seconds, "\n")
}
