// Prints tests/cases/number_formats.csv: number formats, values, and the text that SheetJS SSF, a second implementation,
// makes of them; the last column is the value as SSF writes it in ISO 8601 where the format is a date.
// In this folder: npm install --no-save ssf@0.11.2 && node make_table.mjs > ../../cases/number_formats.csv
import { createRequire } from "node:module";

const SSF = createRequire(import.meta.url)("ssf");

const plain = [0, 5, -5, 1234.5, -1234.5, 0.25];
const whole = [0, 7, -7, 12345, 1234567];
const small = [0, 0.5, -0.5, 0.125, 1.5];
const moments = [0.25, 1.5, 59, 61, 46348, 46348.5, 46348.521];
const texts = ["Ann", "a-1"];

const builtIn = [0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 37, 38, 39, 40, 45, 46, 47, 48, 49];
const general = ["General", "GENERAL", "general", "GeNeRaL", 'General" pcs"', '"No. "General', "General;-General", "General;[Red]-General;General"];
const digits = [
  "0", "00", "00000", "0000000000", "#", "##", "###0", "?0", "??0", "0.0", "0.00", "0.000", "0.0#", "0.##", "#.##", "#.0#", "#.00", "?.??", "0.0?", "0.??",
  "#,##0", "#,##0.0", "#,##0.00", "#,##0.000", "#,###", "#,###.##", "#,#00", "0,000", "0,0.00", "##,##0.00", "#,##0.0#", "000,000",
  "0;-0", "0;-0;0", "0.00;-0.00", "0.00;[Red]-0.00", "0.00;-0.00;0.00", "+0;-0;0", "+0.00;-0.00", "[Blue]0;[Red]-0", "[Color 3]0.0", "[Color10]0",
  "[Black]0", "[Green]#,##0.00", "[Magenta]0", "[Yellow]0", "[White]0", "[Cyan]0;[Red]-0;[Blue]0", "0_", "0.00_", "0_)", "0.00_);(0.00)", "0.00_-",
  "0;0", "0.00;0.00", "0;(0)", "0.00;(0.00)", "#,##0_);(#,##0)", "#,##0.00_);(#,##0.00)", "#,##0_);[Red](#,##0)", "#,##0.00_);[Red](#,##0.00)",
  "0.00-;0.00", "0.00;0.00-", "0;\\-0", "\\-0.00;0.00", "(0.00);0.00", '"-"0.00', '0.00"-"',
];
const accounting = [
  "_(* #,##0_);_(* \\(#,##0\\);_(* \"-\"_);_(@_)", "_(* #,##0.00_);_(* \\(#,##0.00\\);_(* \"-\"??_);_(@_)",
  '_($* #,##0.00_);_($* (#,##0.00);_($* "-"??_);_(@_)', '_-* #,##0.00_-;-* #,##0.00_-;_-* "-"??_-;_-@_-', '_-* #,##0_-;-* #,##0_-;_-* "-"_-;_-@_-',
  '_-"R"* #,##0.00_-;-"R"* #,##0.00_-;_-"R"* "-"??_-;_-@_-', '_-"£"* #,##0.00_-;-"£"* #,##0.00_-;_-"£"* "-"??_-;_-@_-',
  '_-[$R-1C09]* #,##0.00_-;-[$R-1C09]* #,##0.00_-;_-[$R-1C09]* "-"??_-;_-@_-', '_-* #,##0.00\\ "€"_-;\\-* #,##0.00\\ "€"_-;_-* "-"??\\ "€"_-;_-@_-',
  '_ * #,##0.00_ ;_ * \\-#,##0.00_ ;_ * "-"??_ ;_ @_ ', '_ "₹"* #,##0.00_ ;_ "₹"* \\-#,##0.00_ ;_ "₹"* "-"??_ ;_ @_ ', '_ "¥"* #,##0.00_ ;_ "¥"* -#,##0.00_ ;_ "¥"* "-"??_ ;_ @_ ',
  '_-"$"* #,##0.00_-;-"$"* #,##0.00_-;_-"$"* "-"??_-;_-@_-', '_-"kr"\\ * #,##0.00_-;-"kr"\\ * #,##0.00_-;_-"kr"\\ * "-"??_-;_-@_-',
  '_-"R$"\\ * #,##0.00_-;-"R$"\\ * #,##0.00_-;_-"R$"\\ * "-"??_-;_-@_-', '_-* #,##0.00\\ "zł"_-;-* #,##0.00\\ "zł"_-;_-* "-"??\\ "zł"_-;_-@_-',
];
const signs = ["R", "P", "K", "E", "L", "M", "N$", "Ksh", "KSh", "USh", "TSh", "GH₵", "₦", "Rs", "Rs.", "₹", "$", "US$", "A$", "C$", "NZ$", "€", "£", "¥", "kr", "kr.",
  "Kč", "zł", "Ft", "lei", "лв.", "₽", "₺", "₪", "R$", "S/", "CHF", "Fr.", "USD", "EUR", "ZAR", "KES", "د.إ", "฿", "Rp", "RM", "₱", "₩", "₫"];
const locales = ["1C09", "409", "407", "40C", "809", "410", "C0A", "416", "419", "411", "804", "441", "4009", "413", "41D", "414", "406", "415", "405", "40E", "41F", "100C", "807", "40D", "401", "1009", "C09", "1409", "en-ZA", "hi-IN", "x-euro2"];
const currency = [
  ...signs.flatMap((sign, at) => [`"${sign}" #,##0.00`, at % 2 ? `#,##0.00\\ "${sign}"` : `"${sign}"#,##0.00;-"${sign}"#,##0.00`]),
  ...locales.flatMap((locale, at) => {
    const sign = signs[at % signs.length];
    return [`[$${sign}-${locale}] #,##0.00`, at % 2 ? `#,##0.00 [$${sign}-${locale}]` : `[$${sign}-${locale}]#,##0.00;[Red]-[$${sign}-${locale}]#,##0.00`];
  }),
  "[$USD] #,##0.00", "[$-409]#,##0.00", "[$-1C09]0.00", "[$$-409]#,##0.00", "[$€-2] #,##0.00", "[$€-1]#,##0", "\\$#,##0", "\\$#,##0.00", "$#,##0.00", "$0", "€0.00", "£#,##0.00", "0.00€",
  "0.00 kr", '#,##0.00" Kč"', '"R"\\ #,##0.00;[Red]"R"\\ \\-#,##0.00', '"R" #,##0.00;("R" #,##0.00)', '#,##0.00\\ "CR"', '#,##0.00" DR";#,##0.00" CR"',
];
const literals = [
  "000\\-00\\-0000", "00\\-000", "0000\\-0000\\-0000", "000-00-0000", "###-####", "(###) ###-####", "(000) 000-0000", "000 000 0000", "\\+00\\ 000\\ 0000", "00\\ 00\\ 00",
  '"ACC"0000', '"ACC-"00000', '"Ref: "0', '0" units"', '0"x"', '"#"0', '"0"0', '0"0"', '0000"-"00', '0":"00', "0\\:00", "0\\.00", "00/00", '0" of 10"', "0!", "0^", "0&", "0'", "0~", "{0}", "<0>", "=0", "0 0",
  "0\\ 000", "#\\ ##0", "#'##0.00", "##\\,##\\,##0", "\\A0", "\\(0\\)", "(0)", "0\\%", '0"%"', "- 0", "-0", "+0", "0-", "0+", "0 -", ": 0", '""0', '0""', '"a""b"0', "0\\", "R0", "R 0.00", "K0",
  "0/", "/0", "0$", "0:", "*-0", "0*-", "**0", "0* ", "_-0", "_(0_)", "?", "??", "?0?", "0,0\\ ",
];
const scaled = ["0,", "0,,", "0.0,", "0.00,", "0.0,,", "#,##0,", "#,##0,,", "#,##0.0,", '0.0,"K"', '0.0,,"M"', '#,##0,"TSD"', '#,##0.0,," MIO"', "0.00,,,", "$#,##0.0,"];
const percent = ["0%", "0.0%", "0.00%", "#%", "#,##0%", "0 %", "0.0\\ %", "0%;-0%", "0%;[Red]-0%", "0.00%_);(0.00%)", "%0", '0%" p.a."', "0%%"];
const powers = ["0E+0", "0E+00", "0.0E+0", "0.00E+00", "0.00E-00", "0.00e+00", "##0.0E+0", "##0E+0", "#0.0E+0", "0.###E+0", "0.00E+000", "00.0E+0", "0.0E+00;-0.0E+00"];
const fractions = ["# ?/?", "# ??/??", "# ???/???", "?/?", "??/??", "# ?/2", "# ?/4", "# ?/8", "# ??/16", "# ?/10", "# ??/100", "#\\ ?/?", "0 ?/?", "0/0", '# ?/?" in"'];
const conditions = [
  "[>=100]0;0.0", "[>100]0.0;0.00", "[<100]0.00;0", "[=5]\"five\";0", "[<>5]0;\"five\"", "[>=1000]#,##0;0.00", "[Red][>100]0;[Blue]0.0", "[>=100][Red]0;0.00", "[<=9999999]###-####;(###) ###-####",
  "[>=10000000]##\\,##\\,##\\,##0;[>=100000]##\\,##\\,##0;##,##0", "[>=1000000]0.0,,\"M\";[>=1000]0.0,\"K\";0", "[>=0]0.00;-0.00", "[<0]-0.00;0.00", "[>0]0;-0;\"nil\"", "[=1]\"yes\";[=0]\"no\";0",
  "[>=0]0", "[>1000]0.0", "[<-5]0;0.0", "[>=0.5]0.0;0.00",
];
const words = [
  "0;-0;\"nil\"", '0;-0;"-"', "0;-0;", "0;;0", ";;;", ";", ";;", '"paid"', '"yes";"no";"none"', '0.00;-0.00;"zero";@', '0;0;0;"text"', '0;-0;0;"Ref: "@', "@", '@" !"', '"<"@">"', "0;-0;0;@", "0.00;@", '"Ref: "@', '0;-0;0;@@', "General;General;General;@", '_(@_)', '0;"minus "0', "0.00;-0.00;-;@",
];
const dates = [
  "yyyy-mm-dd", "yyyy\\-mm\\-dd", "dd/mm/yyyy", "d/m/yy", "m/d/yyyy", "mm/dd/yy", "dd.mm.yyyy", "d mmm yyyy", "d-mmm-yy", "dddd, d mmmm yyyy", "mmm-yy", "mmmm yyyy", "mmmmm", "yyyy", "yy", "yyyymmdd", "ddd", "d", "m", "mm",
  "[$-409]d-mmm-yyyy;@", "[$-1C09]dd mmmm yyyy", "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", "[$-407]d. mmmm yyyy", "[$-en-ZA]d mmm yyyy;@", 'yyyy"年"m"月"d"日"', "yyyy年m月d日", "dd/mm/yyyy;@", "yyyy-mm-ddThh:mm:ss", "yyyy-mm-dd\\Thh:mm:ss\\Z",
  "yyyy-mm-dd hh:mm", "dd/mm/yyyy hh:mm:ss", "yyyy\\-mm\\-dd\\ hh:mm:ss.000", "m/d/yy h:mm AM/PM", "d/m/yyyy h:mm a/p", "DD/MM/YYYY", "YYYY-MM-DD HH:MM", "[Red]yyyy-mm-dd", "e", "[$-411]ge.m.d", "b", "[$-41E]d/m/bbbb",
];
const times = ["h:mm", "hh:mm", "h:mm:ss", "hh:mm:ss", "h:mm AM/PM", "mm:ss", "mm:ss.0", "[h]:mm", "[hh]:mm:ss", "[h]:mm:ss", "[mm]:ss", "[ss]", "[m]", "[$-F400]h:mm:ss AM/PM", "h", "s", "hh\\hmm", 'h"h "mm"m"', "ss.00", "h:mm:ss.000"];
const odd = ["0.0.0", "E", "[$-2000000]0", "[DBNum1]0", "[DBNum1]General", "[foo]0", '"open', "0;0;0;0;0", "kg 0", "USD 0.00", "Standard", "0,0,0.00,", ",0", "0.,", "0..0", "#,##0,00", "\\", '"', "[", "]", "[]0", "0]", "_", "*", "0E", "E+0", "/", "?/", "0%/0"];

const iso = (value) => {
  if (value < 1) return SSF.format("hh:mm:ss.000", value);
  return SSF.format("yyyy-mm-dd", Math.floor(value)) + (value % 1 ? "T" + SSF.format("hh:mm:ss.000", value % 1) : "");
};
const elapsed = (value) => SSF.format("[hh]:mm:ss.000", value);
const cell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const rows = [["group", "format", "value", "text", "iso"]];

function add(group, format, values) {
  for (const value of values) {
    const isMoment = group === "date" || group === "time";
    const day = isMoment ? (/\[(h+|m+|s+)\]/i.test(format) ? elapsed(value) : iso(value)) : "";
    let text;
    try {
      text = SSF.format(format, value);
    } catch {
      text = "!refused";
    }
    rows.push([group, format, typeof value === "number" ? String(value) : `'${value}`, text, day]);
  }
}

for (const id of builtIn) {
  const code = SSF._table[id];
  const group = /[ymdhs]/i.test(code.replace(/\[\w+\]/, "")) ? "date" : "built-in";
  add(group, code, group === "date" ? moments : plain);
}
for (const format of general) add("general", format, [...plain, 123456789012, 0.1, 1e-7]);
for (const format of digits) add("digits", format, [...plain, 123456]);
for (const format of accounting) add("accounting", format, [...plain, ...texts]);
for (const format of currency) add("currency", format, [5, -1234.5]);
for (const format of literals) add("literals", format, whole);
for (const format of scaled) add("scaled", format, [0, 1500, 1234567, -2500000, 5]);
for (const format of percent) add("percent", format, small);
for (const format of powers) add("powers", format, [0, 5, 1200, -1234567, 0.00012]);
for (const format of fractions) add("fractions", format, [0, 0.5, 1.5, -2.25, 0.3, 3]);
for (const format of conditions) add("conditions", format, [0, 1, 5, 1500, 12345678, -5]);
for (const format of words) add("words", format, [...plain, ...texts]);
for (const format of dates) add("date", format, moments);
for (const format of times) add("time", format, moments);
for (const format of odd) add("odd", format, whole);
console.log(rows.map((row) => row.map(cell).join(",")).join("\n"));
