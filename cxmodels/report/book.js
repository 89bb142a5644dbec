(function () {
  "use strict";
  var lang = document.documentElement.lang;
  var each = function (list, act) { Array.prototype.forEach.call(list, act); };
  var order = new Intl.Collator(lang, { numeric: true, sensitivity: "base" });

  // A number if the cell has one, else its text; what is missing comes last whichever way one sorts.
  var key = function (row, i) {
    var cell = row.cells[i], value = cell.getAttribute("data-v");
    if (value !== null) { return value === "" ? null : Number(value); }
    return cell.textContent.trim() || null;
  };
  var sort = function (table, i, down) {
    var body = table.tBodies[0];
    var rows = Array.prototype.map.call(body.rows, function (row, at) { return { row: row, key: key(row, i), at: at }; });
    rows.sort(function (a, b) {
      if (a.key === null || b.key === null) { return (a.key === null) - (b.key === null) || a.at - b.at; }
      var d = typeof a.key === "number" && typeof b.key === "number" ? a.key - b.key : order.compare(a.key, b.key);
      return (down ? -d : d) || a.at - b.at;
    });
    rows.forEach(function (r) { body.appendChild(r.row); });
  };

  each(document.querySelectorAll("table.sortable"), function (table) {
    var heads = table.tHead.rows[0].cells;
    each(heads, function (head, i) {
      if (head.className === "mark" || !head.textContent.trim()) { return; }
      var button = document.createElement("span");  // browsers do not repeat real buttons on the next printed page
      button.className = "sort";
      button.tabIndex = 0;
      button.setAttribute("role", "button");
      while (head.firstChild) { button.appendChild(head.firstChild); }
      head.appendChild(button);
      button.addEventListener("keydown", function (event) {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); button.click(); }
      });
      button.addEventListener("click", function () {
        var now = head.getAttribute("aria-sort");
        var down = now ? now === "ascending" : head.className !== "text";  // numbers begin with the largest
        each(heads, function (h) { h.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(table, i, down);
      });
    });
    var said = table.getAttribute("data-filter");
    if (!said) { return; }
    var seek = document.createElement("input");
    seek.type = "search";
    seek.className = "seek";
    seek.placeholder = said;
    seek.setAttribute("aria-label", said);
    seek.addEventListener("input", function () {
      var wanted = seek.value.trim().toLocaleLowerCase(lang);
      each(table.tBodies[0].rows, function (row) {
        row.hidden = wanted !== "" && row.textContent.toLocaleLowerCase(lang).indexOf(wanted) < 0;
      });
    });
    table.parentNode.insertBefore(seek, table);
  });

  // A link to a section opens what is folded in it and around it.
  var open = function () {
    var at = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!at) { return; }
    each(at.children, function (child) { if (child.tagName === "DETAILS") { child.open = true; } });
    for (var box = at; box; box = box.parentElement) {
      if (box.className === "folded" && box.previousElementSibling) { box.previousElementSibling.open = true; }
    }
    at.scrollIntoView();
  };
  window.addEventListener("hashchange", open);
  if (location.hash) { open(); }
}());
