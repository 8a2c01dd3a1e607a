"""Words by which requests are told apart, in the languages that are commonest among users of open models.

Lower-case words where a language has spaces between them; parts of words (`..._PARTS`) where it has none, or where
endings hide them. Nothing here has to be complete: digits, operators and question marks speak every language.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COURTESIES = _words(
    "please kindly can could would will you i we to want need like have help me us just now hey ok so the a an und "
    "bitte kannst können könntest du mir mal por favor puedes podrías s'il te vous plaît plait peux pouvez tu "
    "pourrais puoi você pode kun je пожалуйста"
)
"""What stands before the word that says what is wanted."""

GREETINGS = _words(
    "hi hello hey heyyy thanks thank bye goodbye morning evening night welcome cool lol hallo danke tschüss guten "
    "hola gracias adiós bonjour merci salut ciao grazie olá obrigado dag привет спасибо здравствуйте"
)

MAKING = _words(
    "write compose draft create generate make invent imagine pretend act translate summarize summarise rewrite "
    "rephrase paraphrase proofread edit fix correct improve refactor implement design plan outline brainstorm "
    "continue finish extract turn change shorten convert classify review produce craft prepare develop add set play "
    "send book remind search open call schreibe schreib verfasse erstelle übersetze korrigiere fasse escribe "
    "redacta traduce resume corrige crea inventa écris écrivez rédige traduis traduisez résume invente scrivi "
    "traduci riassumi escreva escreve traduza resuma crie schrijf vertaal напиши переведи сочини составь"
)
"""Verbs that ask for a text, a programme or a deed."""

TELLING = _words(
    "explain describe discuss compare tell list suggest recommend define analyse analyze elaborate prove show why "
    "how help walk introduce outline advise summarize propose argue teach erkläre beschreibe vergleiche nenne gib "
    "warum wieso zähle beweise explica compara dame recomienda porque demuestra explique expliquez décris donne "
    "pourquoi démontre comment cómo spiega spiegami descrivi perché dimmi raccontami dammi me объясни расскажи "
    "опиши почему докажи"
)
"""Words that ask for more than one sentence."""

LISTING = _words(
    "who what when where which whose what's whats who's wer was wo wann wie welche qui quand où quelle quel qué "
    "quién quiénes dónde cuándo chi dove quando quem onde кто что где когда"
)
"""Question words that often ask for a fact."""

GENRES = _words(
    "email mail e-mail analysis proposal plan questionnaire talk lesson abstract novel chapter app website recipe "
    "poem haiku sonnet limerick story tale essay letter blog post paragraph article song lyrics rap tweet speech "
    "toast slogan title headline joke dialogue scene script report summary review description outline ideas tips "
    "names quiz questions thesis introduction message note advert poster press feedback example examples overview "
    "gedicht geschichte aufsatz brief strophen tipps ideen poema cuento carta ensayo correo texto consejos poème "
    "histoire lettre texte idées courriel poesia storia lettera conto verhaal стихотворение рассказ письмо"
)

CODE = _words(
    "python javascript typescript java rust c++ golang sql html css bash regex git docker linux react function "
    "class code script programme program bug error exception query unit tests algorithm api json component compile "
    "def return import const var let null dictionary funktion función fonction код программу"
)

FEELING = _words(
    "should think opinion feel believe advice best better favourite favorite recommend suggest pros cons advantages "
    "difference differences meaning reason reasons important improve tips ways feeling soll meinst unterschied "
    "besser piensas opinas debería mejor diferencia penses dois mieux différence avis"
)

PERSON = _words(
    "i i'm im my me you your we our us ich mein meine mir du dir dein wir yo mi tu tú te je mon ma moi vous votre "
    "io mio eu meu я мой мне ты вы"
)

SOLVING = _words(
    "solve find compute calculate evaluate simplify factor factorise expand differentiate integrate determine "
    "express round convert work reduce rationalize maximize minimize count unscramble decode berechne bestimme löse "
    "vereinfache ermittle calcula resuelve halla encuentra simplifica calcule calculez résous résoudre détermine "
    "trouve trouver calcola trova risolvi semplifica resolva encontre bereken вычислите вычисли найдите найди "
    "решите реши упростите sort rank arrange rearrange order"
)

QUANTITY = _words(
    "wieviel wieviele cuánto cuánta cuántos cuántas combien quanto quanta quanti quante quantos quantas hoeveel "
    "сколько kaç berapa ile quant cât hány kolik"
)
QUANTITY_PHRASES = (
    "how many", "how much", "how far", "how long", "how old", "how fast", "how tall", "how high", "how often",
    "how large", "how big", "how heavy", "what fraction", "what percent", "what number", "which number", "wie viel",
    "wie lange", "wie alt", "wie groß", "wie hoch", "wie weit", "wie schnell", "quel âge", "quelle distance", "a che",
    "what time", "what day", "what date", "at what", "on which day", "what is the value", "what is the total",
    "what is the sum",
)  # fmt: skip

MATHS = _words(
    "sum product difference quotient remainder mod modulo probability chance average mean median percent percentage "
    "ratio fraction equation inequality integer integers digit digits number numbers prime divisor divisors "
    "divisible multiple square cube root roots triangle rectangle circle radius diameter area perimeter "
    "circumference volume angle degrees polynomial derivative integral limit matrix determinant vector slope "
    "sequence series log logarithm sin cos tan sqrt gcd lcm factorial binary hexadecimal decimal speed velocity "
    "mass force energy voltage length width height distance interest rate cost price total value minus plus times "
    "divided real positive negative solutions satisfies summe produkt rest wahrscheinlichkeit durchschnitt prozent "
    "gleichung zahl zahlen fläche flächeninhalt umfang ableitung nullstellen mal teiler geschwindigkeit anteil "
    "ecuación suma resto probabilidad número área velocidad triángulo raíz équation somme reste probabilité nombre "
    "aire vitesse dérivée rayon fois disque numero equazione somma probabilità velocità soluzioni уравнение сумма "
    "площадь скорость число вероятность умножить letter letters word vowels vowel alphabet alphabetically edges "
    "vertices sides faces diagonals subsets set weighs place north south east west steps facing direction brackets "
    "true false valid invalid"
)

RELATIONS = _words(
    "if each every all some than twice half third quarter double triple thirds quarters times total altogether "
    "together left remain remaining remains more fewer less same per after before exactly least most either both "
    "neither only must cost costs pay pays sold bought gave gives has had earns older younger taller shorter next "
    "opposite first second last one two three four five six seven eight nine ten twelve dozen hundred let given "
    "suppose statement true false wenn jeder jede insgesamt doppelt hälfte je zusammen älter bleiben übrig si cada "
    "doble mitad tercera queda quedan juntos chaque moitié reste ensemble ogni insieme metà più agora tem было "
    "осталось каждый"
)

FINAL = (
    "final answer", "boxed", "####", "answer with", "answer is", "letter only", "answer:", "only the letter",
    "only give", "yes or no", "true or false", "following is", "of the following", "choose", "answer in",
    "reply with", "single word", "final number", "last line",
)  # fmt: skip
"""Phrases that demand one short answer."""

SEVERAL = (
    "what are some", "what are the", "what are good", "what would", "what could", "what might", "what were the",
    "some ", "how can", "how could", "how do i", "how would", "how might", "tell me", "any truth", "is it true",
    "in depth", "including", "include ", "based on", "style", "tone", "key ", "grade ", "ideas", "were some", "your ",
)  # fmt: skip
"""Phrases that go with long answers."""

ASKING_PARTS = (
    "多少", "几", "求", "计算", "解方程", "哪个", "いくつ", "いくら", "求め", "計算", "몇", "얼마", "구하", "कितन",
    "कितने", "كم", "kaç", "等于", "平方",
)  # fmt: skip
MAKING_PARTS = (
    "写", "翻译", "解释", "介绍", "推荐", "总结", "为什么", "怎么", "如何", "帮我", "計画", "计划", "谁", "書い",
    "訳し", "説明", "教えて", "なぜ", "짜", "써", "번역", "설명", "왜", "어때", "你好", "こんにちは", "안녕", "撰",
    "报告", "方案", "设计", "分析", "脚本", "论文", "评论", "文章", "制定", "文案", "解读", "教案", "风格", "字左右",
    "改编", "建议", "提供", "内容", "要求", "领导",
)  # fmt: skip
