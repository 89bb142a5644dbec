# Scores of ordinal items by lavaan (lavPredict), for rows of the fit; run from this folder: Rscript scores.R
suppressMessages(library(lavaan))
out <- list()
ord4 <- read.csv("../data/hs_ordinal4.csv")
mixed <- read.csv("../data/hs_ordinal4_mixed.csv")
model <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
cases <- list(
  cfa = list(model = model, data = "hs_ordinal4.csv", ordered = paste0("x", 1:9)),
  theta = list(model = model, data = "hs_ordinal4.csv", ordered = paste0("x", 1:9), parameterization = "theta"),
  mixed = list(model = model, data = "hs_ordinal4_mixed.csv", ordered = paste0("x", 1:3)),
  groups = list(model = model, data = "hs_ordinal4.csv", ordered = paste0("x", 1:9), group = "school"),
  second = list(model = paste0(model, "\ng =~ visual + textual + speed"), data = "hs_ordinal4.csv", ordered = paste0("x", 1:9)),
  mimic = list(model = paste0(model, "\nvisual + textual ~ ageyr\nx9 ~ ageyr"), data = "hs_ordinal4.csv", ordered = paste0("x", 1:9))
)
for (name in names(cases)) {
  case <- cases[[name]]
  data <- read.csv(file.path("..", "data", case$data))
  args <- list(case$model, data = data, ordered = case$ordered, estimator = "WLSMV")
  if (!is.null(case$group)) args$group <- case$group
  if (!is.null(case$parameterization)) args$parameterization <- case$parameterization
  fit <- do.call("sem", args)
  both <- list()
  for (method in c("EBM", "ML")) {
    found <- lavPredict(fit, method = method)
    if (is.list(found)) {
      idx <- lavInspect(fit, "case.idx")
      whole <- matrix(NA, nrow(data), ncol(found[[1]]))
      for (g in seq_along(found)) whole[idx[[g]], ] <- found[[g]]
      colnames(whole) <- colnames(found[[1]])
      found <- whole
    }
    found <- unclass(found)
    both[[method]] <- lapply(as.data.frame(found), function(x) signif(x, 8))
  }
  out[[name]] <- c(case, list(scores = both))
}
out$software <- paste("lavaan", packageVersion("lavaan"), "on", R.version.string)
writeLines(jsonlite::toJSON(out, auto_unbox = TRUE, digits = 10, na = "null"), "scores.json")
