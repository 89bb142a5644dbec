# Reference values for data designs: Rscript designs.R, in this folder, writes designs.json.
# Needs lavaan 0.6-14, survey 4.1 and jsonlite 1.8 (Debian 12: r-cran-lavaan, r-cran-survey, r-cran-jsonlite).
suppressMessages({library(lavaan); library(survey); library(jsonlite)})
d <- read.csv("design.csv")
out <- list()

fit_frame <- function(fit) {
  e <- parameterEstimates(fit, remove.eq = FALSE, remove.ineq = FALSE, standardized = TRUE)
  m <- fitMeasures(fit)
  keep <- intersect(c("lhs", "op", "rhs", "group", "level", "label", "est", "se", "std.lv", "std.all"), names(e))
  list(estimates = as.data.frame(e)[keep], fit = as.list(setNames(as.numeric(m), gsub(".", "_", names(m), fixed = TRUE))))
}
add <- function(name, model, call, fit) out[[name]] <<- c(list(model = model, call = call), fit_frame(fit))

# --- designs: means, regressions and a factor model under strata, clusters and weights -------------------------
both <- svydesign(~psu, strata = ~stratum, weights = ~w, data = d, nest = TRUE)
rows <- svydesign(~1, strata = ~stratum, weights = ~w, data = d)
survey_of <- function(s) {
  glm <- svyglm(y1 ~ x + z, s)
  by <- svyby(~y1, ~g, s, svymean, covmat = TRUE)
  list(mean = coef(svymean(~y1, s)), mean_se = SE(svymean(~y1, s)),
       slopes = coef(glm), slopes_se = SE(glm), by = coef(by), by_vcov = vcov(by))
}
cfa2 <- "f1 =~ y1 + y2 + y3\nf2 =~ y4 + y5 + y6"
gamma_of <- function(s, items) {
  y <- as.matrix(d[items]); w <- d$w / sum(d$w)
  m <- colSums(y * w); z <- sweep(y, 2, m); S <- crossprod(z * w, z)
  pairs <- which(lower.tri(S, TRUE), arr.ind = TRUE)
  v <- cbind(z, sapply(seq_len(nrow(pairs)), function(k) z[, pairs[k, 1]] * z[, pairs[k, 2]] - S[pairs[k, 1], pairs[k, 2]]))
  colnames(v) <- paste0("v", seq_len(ncol(v)))
  s$variables <- cbind(s$variables, v)
  list(m = m, S = S, G = nrow(d) * vcov(svymean(reformulate(colnames(v)), s)))
}
items <- paste0("y", 1:6)
for (k in c("both", "rows")) {
  s <- get(k); g <- gamma_of(s, items)
  fit <- cfa(cfa2, sample.cov = g$S, sample.mean = g$m, sample.nobs = nrow(d), NACOV = g$G,
             estimator = "MLM", sample.cov.rescale = FALSE)
  out[[paste0("survey_", k)]] <- c(list(model = cfa2), survey_of(s), fit_frame(fit))
}

# --- ordinal items with observed predictors -------------------------------------------------------------------
o <- paste0("o", 1:6)
mimic <- "f1 =~ o1 + o2 + o3\nf2 =~ o4 + o5 + o6\nf1 ~ x + z\nf2 ~ f1 + x"
direct <- paste0(mimic, "\no5 ~ z")
mixed <- "f1 =~ o1 + y2 + o3\nf2 =~ y4 + o5 + y6\nf1 ~ x + z\nf2 ~ f1 + x\ny6 ~ z"
single <- "o1 ~ x + z"

cases <- list(
  cx_mimic = list(mimic, list(ordered = o)),
  cx_mimic_ulsmv = list(mimic, list(ordered = o, estimator = "ULSMV")),
  cx_mimic_wls = list(mimic, list(ordered = o, estimator = "WLS")),
  cx_mimic_dwls = list(mimic, list(ordered = o, estimator = "DWLS")),
  cx_theta = list(direct, list(ordered = o, parameterization = "theta")),
  cx_stdlv = list(direct, list(ordered = o, std.lv = TRUE)),
  cx_mixed = list(mixed, list(ordered = c("o1", "o3", "o5"))),
  cx_single = list(single, list(ordered = "o1")),
  cx_groups = list(mimic, list(ordered = o, group = "g")),
  cx_groups_equal = list(mimic, list(ordered = o, group = "g", group.equal = c("thresholds", "loadings"))),
  cx_weights = list(mimic, list(ordered = o, sampling.weights = "w"))
)
for (n in names(cases)) {
  k <- cases[[n]]
  add(n, k[[1]], k[[2]], do.call("sem", c(list(k[[1]], data = d), k[[2]])))
}

# --- robust fit indices: incomplete and ordinal data -------------------------------------------------------------
m <- "f1 =~ m1 + m2 + m3\nf2 =~ m4 + m5 + m6"
mx <- paste0(m, "\nf1 ~ x + z\nf2 ~ f1 + x")
ord <- "f1 =~ o1 + o2 + o3\nf2 =~ o4 + o5 + o6"
bent <- "f1 =~ o1 + o2 + o4\nf2 =~ o3 + o5 + o6"
cases <- list(
  fiml_ml = list(m, list(missing = "ml")),
  fiml_mlr = list(m, list(missing = "ml", estimator = "MLR")),
  fiml_x_ml = list(mx, list(missing = "ml")),
  fiml_x_mlr = list(mx, list(missing = "ml", estimator = "MLR")),
  fiml_groups = list(m, list(missing = "ml", estimator = "MLR", group = "g", group.equal = c("loadings", "intercepts"))),
  fiml_groups_ml = list(m, list(missing = "ml", group = "g", group.equal = "loadings")),
  cat_wlsmv = list(bent, list(ordered = o)),
  cat_theta = list(bent, list(ordered = o, parameterization = "theta")),
  cat_stdlv = list(bent, list(ordered = o, std.lv = TRUE)),
  cat_ulsmv = list(bent, list(ordered = o, estimator = "ULSMV")),
  cat_groups = list(bent, list(ordered = o, group = "g")),
  cat_groups_equal = list(bent, list(ordered = o, group = "g", group.equal = c("thresholds", "loadings"))),
  cat_groups_theta = list(bent, list(ordered = o, group = "g", group.equal = c("thresholds", "loadings"), parameterization = "theta"))
)
for (n in names(cases)) {
  k <- cases[[n]]
  add(n, k[[1]], k[[2]], do.call("sem", c(list(k[[1]], data = d), k[[2]])))
}

# --- score tests for releasing constraints, and tests between nested models ---------------------------------------
hs <- HolzingerSwineford1939
tied <- "visual =~ x1 + a*x2 + a*x3\ntextual =~ x4 + b*x5 + c*x6\nspeed =~ x7 + x8 + x9\nb == c\nvisual ~~ v*visual\ntextual ~~ w*textual\nv == 0.8*w"
three <- "f =~ x1 + l*x2 + l*x3 + l*x4\nx1 ~~ e*x1\nx2 ~~ e*x2\nx3 ~~ e*x3"
cfa3 <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
catm <- "f1 =~ o1 + a*o2 + a*o3\nf2 =~ o4 + b*o5 + c*o6\nb == c"
released <- function(fit, keep = NULL) {
  s <- suppressWarnings(lavTestScore(fit, epc = TRUE, warn = FALSE))
  e <- as.data.frame(s$epc)
  list(total = as.list(s$test[c("X2", "df", "p.value")]), uni = as.data.frame(s$uni),
       epc = e[intersect(c("lhs", "op", "rhs", "group", "est", "epc", "epv"), names(e))])
}
scores <- list(
  score_tied = list(tied, hs, list()),
  score_three = list(three, hs, list(meanstructure = TRUE)),
  score_groups = list(cfa3, hs, list(group = "school", group.equal = c("loadings", "intercepts"))),
  score_fiml = list("f1 =~ m1 + a*m2 + a*m3\nf2 =~ m4 + b*m5 + c*m6\nb == c", d, list(missing = "ml")),
  score_ordinal = list(catm, d, list(ordered = o))
)
for (n in names(scores)) {
  k <- scores[[n]]
  fit <- do.call("sem", c(list(k[[1]], data = k[[2]]), k[[3]]))
  out[[n]] <- c(list(model = k[[1]], options = k[[3]], chisq = fitMeasures(fit, "chisq")[[1]]), released(fit))
}
differ <- function(name, free, tight, data, options, methods, more = list()) {
  m <- lapply(list(free, tight), function(x) do.call("sem", c(list(x, data = data), options)))
  if (length(more)) m[[2]] <- do.call("sem", c(list(tight, data = data), options, more))
  rows <- lapply(methods, function(k) {
    r <- suppressWarnings(lavTestLRT(m[[1]], m[[2]], method = k))
    c(as.list(setNames(as.data.frame(r)[2, c("Chisq diff", "Df diff", "Pr(>Chisq)")], c("chisq_diff", "df_diff", "pvalue"))), method = k)
  })
  out[[name]] <<- list(free = free, tight = tight, options = options, more = more, rows = rows)
}
all3 <- c("satorra.bentler.2001", "satorra.bentler.2010", "satorra.2000")
free <- "f1 =~ y1 + y2 + y3\nf2 =~ y4 + y5 + y6\nf2 ~ f1 + x\nf1 ~ x"
tight <- "f1 =~ y1 + y2 + y3\nf2 =~ y4 + a*y5 + a*y6\nf2 ~ f1 + 0*x\nf1 ~ x"
differ("diff_mlr", free, tight, d, list(estimator = "MLR"), all3)
differ("diff_mlm", free, tight, d, list(estimator = "MLM"), all3)
differ("diff_mlmv", free, tight, d, list(estimator = "MLMV"), "default")
differ("diff_fiml", gsub("y", "m", free), gsub("y", "m", tight), d, list(estimator = "MLR", missing = "ml"), all3[1:2])
differ("diff_groups", cfa2, cfa2, d, list(estimator = "MLR", group = "g"), all3, list(group.equal = c("loadings", "intercepts")))
differ("diff_wlsmv", "f1 =~ o1 + o2 + o3\nf2 =~ o4 + o5 + o6", "f1 =~ o1 + a*o2 + a*o3\nf2 =~ o4 + b*o5 + b*o6", d, list(ordered = o), "default")
differ("diff_wlsmv_x", mimic, paste0("f1 =~ o1 + o2 + o3\nf2 =~ o4 + o5 + o6\nf1 ~ x + 0*z\nf2 ~ f1 + 0*x"), d, list(ordered = o), "default")
differ("diff_wlsmv_groups", ord, ord, d, list(ordered = o, group = "g"), "default", list(group.equal = c("thresholds", "loadings")))
differ("diff_dwls_sb", "f1 =~ o1 + o2 + o3\nf2 =~ o4 + o5 + o6", "f1 =~ o1 + a*o2 + a*o3\nf2 =~ o4 + b*o5 + b*o6", d, list(ordered = o, estimator = "WLSM"), all3)

# --- two levels: robust, several groups ----------------------------------------------------------------------------
t2 <- read.csv("../data/Demo_twolevel.csv")
t2$g <- ifelse(t2$cluster %% 2 == 0, "a", "b")
both2 <- "level: 1\nfw =~ y1 + y2 + y3\nfw ~ x1 + x2 + x3\nlevel: 2\nfb =~ y1 + y2 + y3\nfb ~ w1 + w2"
plain2 <- "level: 1\nfw =~ y1 + y2 + y3 + y4\nlevel: 2\nfb =~ y1 + y2 + y3 + y4"
grouped <- function(m) paste0("group: b\n", m, "\ngroup: a\n", m)
sharp <- list(control = list(rel.tol = 1e-14), optim.force.converged = TRUE)
cases <- list(
  tl_ml = list(both2, list(cluster = "cluster")),
  tl_mlr = list(both2, list(cluster = "cluster", estimator = "MLR")),
  tl_plain_mlr = list(plain2, list(cluster = "cluster", estimator = "MLR")),
  # of several groups only free ones by ML: with common parameters lavaan stops below the maximum of the likelihood, and
  # its robust standard errors of groups are not those of its own fits of each group
  tl_groups = list(grouped(both2), list(cluster = "cluster", group = "g"))
)
for (n in names(cases)) {
  k <- cases[[n]]
  add(n, k[[1]], k[[2]], do.call("sem", c(list(k[[1]], data = t2), k[[2]], if (is.null(k[[2]]$group)) sharp)))
}

info <- paste(R.version.string, "lavaan", packageVersion("lavaan"), "survey", packageVersion("survey"))
write(toJSON(c(list(software = info), out), digits = NA, auto_unbox = TRUE, na = "null", null = "null", pretty = TRUE), "designs.json")
