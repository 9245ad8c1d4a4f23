"""How people ask for no more mail, and how they complain: expressions that are looked for in one short sentence.

The sentence is in lower case, its apostrophes are straight, white space is one
space, and marks at its end are gone. `\\b` stands where a language has spaces.
"""

COMMANDS = (
    # Said alone, these are the whole wish.
    "unsubscribe", "unsub", "unsubscribe me", "un-subscribe", "unsuscribe", "unsubcribe", "unscubscribe", "remove", "remove me", "stop",
    "stop it", "opt out", "opt-out", "optout", "take me off", "delete me", "no more emails", "no more mails", "no more",
    "cancel subscription", "cancel my subscription", "end subscription", "stop sending", "stop emailing", "stop mailing",
    "abmelden", "abbestellen", "abmeldung", "austragen", "kündigen", "bitte abmelden", "newsletter abmelden",
    "désabonner", "desabonner", "désinscrire", "désinscription", "désabonnement", "me désabonner", "me désinscrire", "désabonnez-moi",
    "arrêtez", "stop pub", "baja", "darme de baja", "dar de baja", "dame de baja", "denme de baja", "cancelar suscripción", "eliminar",
    "cancellami", "disiscrizione", "disiscrivimi", "cancellazione", "rimuovetemi", "rimuovimi", "cancellatemi", "disdetta",
    "descadastrar", "descadastre", "remover", "favor remover", "me remova", "cancelar inscrição", "cancelar assinatura", "sair da lista",
    "afmelden", "uitschrijven", "schrijf me uit", "wypisz", "wypisz mnie", "wypisać", "rezygnuję", "proszę wypisać", "rezygnacja",
    "отписаться", "отпишите", "отпишите меня", "отписка", "отписать", "удалите меня", "відписатися", "відпишіть мене", "відписати",
    "odhlásit", "odhlaste mě", "odhlásiť", "odhláste ma", "leiratkozás", "leiratkozom", "leiratkozni", "dezabonare", "dezabonați-mă",
    "avregistrera", "avsluta prenumeration", "avprenumerera", "avmeld", "afmeld", "meld meg av", "afmeld mig", "meld meg ut",
    "peruuta tilaus", "poista minut", "poistakaa minut", "διαγραφή", "απεγγραφή", "abonelikten çık", "listeden çık", "aboneliği iptal",
    "配信停止", "配信停止希望", "配信解除", "解除", "退会", "停止", "退订", "退訂", "td", "取消订阅", "取消訂閱", "수신거부", "수신 거부", "구독 취소", "구독취소",
    "הסר", "הסירו", "הסר אותי", "להסיר", "إلغاء الاشتراك", "الغاء الاشتراك", "berhenti berlangganan", "hủy đăng ký", "ยกเลิกการรับข่าวสาร",
)  # fmt: skip

BARE = frozenset(
    {"stop", "remove", "no more", "stop it", "arrêtez", "baja", "eliminar", "remover", "favor remover", "解除", "停止",
     "退会", "td", "kündigen", "disdetta", "cancellazione", "rezygnuję", "rezygnacja"}
)  # fmt: skip
"""Of these, the commands that people use of other things as well: beside a longer sentence they may mean what that is about."""

POLITE = (
    "please", "pls", "plz", "kindly", "hi", "hello", "hey", "dear sir or madam", "dear sirs", "dear sir", "dear all", "good morning",
    "thanks", "thank you", "thx", "now", "immediately", "asap", "at once", "ok", "and", "just", "me", "this", "from list", "from this list",
    "from your list", "from the list", "from mailing list", "from your mailing list", "from this mailing list", "from all lists",
    "bitte", "danke", "sofort", "hallo", "vielen dank", "mfg", "s'il vous plaît", "s'il vous plait", "svp", "merci", "bonjour", "por favor",
    "gracias", "hola", "ya", "per favore", "grazie", "per cortesia", "obrigado", "obrigada", "alstublieft", "aub", "graag", "bedankt", "proszę", "prosze",
    "dziękuję", "пожалуйста", "спасибо", "прошу", "будь ласка", "prosím", "děkuji", "köszönöm", "kérem", "vă rog", "tack", "snälla", "tak",
    "takk", "venligst", "vennligst", "kiitos", "ole hyvä", "παρακαλώ", "ευχαριστώ", "lütfen", "teşekkürler", "をお願いします", "お願いします",
    "してください", "希望", "请", "請", "谢谢", "부탁드립니다", "바랍니다", "해주세요", "해 주세요", "בבקשה", "תודה", "من فضلك", "شكرا",
)  # fmt: skip
"""What may stand around a command and changes nothing."""

_LISTS = (
    r"(?:(?:mailing|e-?mail|email|distribution|contact|spam|news|your|this|these|the|all|any|of|such|future|further|marketing|promotional|\w+'s) )*"
    r"(?:lists?|mailings?|e-?mails?|mails?|newsletters?|data ?bases?|distributions?|subscriptions?|updates|notifications|promotions|marketing|campaigns?|records|system|spam)"
)
_MINE = r"(?:me|us|my (?:e-?mail|email|mail|address|name|details|data|contact|account)(?: address| id)?|our (?:e-?mail|email|address)(?: address)?|this (?:e-?mail|email|address)(?: address)?|[\w.+-]{1,64}@[\w.-]{3,255})"

_COURRIELS = r"(?:(?:de |d'|des |vos |ces |votre |cette |la |aux |à ){0,3}(?:e-?mails?|mails?|courriels?|messages?|newsletters?|pubs?|publicités?|spams?)(?: (?:publicitaires?|commerciaux|promotionnels?))?)"

STOP = (
    # English
    rf"\b(?:unsubscribe|remove|delete|drop|scratch|exclude|opt) {_MINE}(?: completely| immediately| permanently| please)? (?:from|off|out of|out) {_LISTS}\b",
    rf"\b(?:take|get|let|leave|strike|cross) {_MINE} (?:off|out)(?: of| from)? {_LISTS}\b",
    r"\b(?:unsubscribe|remove|delete) (?:me|us|my (?:e-?mail|email|address)(?: address)?)(?: please| now| immediately| asap| thanks| thank you| at once)*$",
    r"\btake (?:me off|us off|(?:my|our) (?:(?:e-?mail|mail) )?(?:e-?mail|name|address|details) (?:off|out))(?: please| now)*$",
    r"\b(?:stop|cease|quit|discontinue) (?:sending|mailing|e-?mailing|spamming|messaging|contacting|bothering|bombarding|harassing|pestering|writing)(?: to)? (?:me|us)(?: with)?(?: any| all)?(?: of)?(?: (?:these|this|those|your|such|more|stupid|junk|damn|unwanted))*(?: (?:e-?mails?|emails?|mails?|messages?|newsletters?|spam|stuff|crap|junk|things|ads|advertisements|offers|rubbish|anymore|any more|now|please|immediately|already|again))*$",
    r"\b(?:stop|cease|quit|discontinue) (?:sending|mailing)(?: me| us)?(?: any| all)?(?: (?:these|this|those|your|such|more))*(?: (?:e-?mails?|emails?|mails?|messages?|newsletters?|spam|stuff|crap|junk))+(?: (?:to me|to us|to my \w+|to this address|please|now|immediately|anymore|any more))*$",
    r"\bstop (?:the|these|this|those|your|all)(?: \w+)? (?:e-?mails?|emails?|mails?|mailings?|messages|newsletters?|spam|spamming)$",
    r"\b(?:don't|do not|dont|never|no longer|stop) (?:ever )?(?:send|mail|e-?mail|email|contact|write)(?: to)? (?:me|us)(?: any| your| these| this| such)?(?: more)?(?: (?:e-?mails?|emails?|mails?|messages?|newsletters?|spam|stuff|ads|offers))?(?: (?:again|anymore|any more|any longer|in the future|in future|ever|please|like this|to this address))*$",
    r"\bno (?:more|further) (?:e-?mails?|emails?|mails?|mailings?|messages|newsletters?|spam)(?: (?:please|from you|thanks|thank you))*$",
    r"\bi (?:do not|don't|dont|no longer|never|really don't) (?:want|wish|care|like|need)(?: to (?:receive|get|see|have|read))?(?: any)?(?: more| further)?(?: of)?(?: (?:your|these|this|those|such|the|any))*(?: \w+)? (?:e-?mails?|emails?|mails?|mailings?|messages|newsletters?|spam|stuff|offers|updates)(?: (?:from you|anymore|any more|any longer|again|at all|please|to this address))*$",
    r"\bi (?:want|wish|would like|'d like|need) to (?:unsubscribe|opt out|be removed|be taken off|be unsubscribed|cancel (?:my|the) (?:newsletter |e-?mail )?subscription)(?: (?:from|to|off|of|out))?(?: (?:your|this|these|the|all|any|mailing|e-?mail|email|distribution|news))*(?: (?:lists?|newsletters?|mailings?|e-?mails?|emails?|mails?|database|please|now|immediately))*$",
    r"\b(?:cancel|end|terminate|discontinue) (?:my|our|this|the) (?:newsletter |e-?mail |email |mailing )?subscription(?: (?:please|immediately|now|to (?:your|this|the) (?:newsletter|list|mailing list)))*$",
    r"\bi (?:asked|told|requested|have asked|already asked)(?: you)?(?: \w+){0,4} to (?:be removed|unsubscribe|remove me|stop)",
    r"\bopt(?:ing)? (?:me )?out (?:of|from) (?:your|this|these|the|all|any) (?:\w+ )?(?:lists?|e-?mails?|mailings?|newsletters?|communications?)",
    rf"\b(?:want|wish|like|love|prefer) to (?:stop|quit) (?:(?:receiving|getting) (?:(?:your|the|this|these) )*(?:(?:daily|weekly|monthly) )?{_LISTS}|hearing from you)(?: (?:from (?:you|your \w+)|please|now|anymore|any more))*$",
    r"^(?:please )?unsubscribe [\w.+-]{1,64}@[\w.-]{3,255}(?: please| now)?$",
    r"\b(?:cancel|stop|end) (?:this|the|your|my|these|all) (?:newsletters?|mailings?)\b(?: please| now| immediately)?$",
    # German
    r"\b(?:bitte|möchte|will|mich|uns)\b.{0,60}\b(?:vom|von|aus|für) (?:ihrem|ihren|ihrer|diesem|dieser|dem|den|der|eurem|eurer|deinem|deiner)?\s?(?:\w+ )?(?:newsletter|verteiler|mailingliste|liste|e-?mail-?liste|e-?mails?|mails|datenbank|adressliste|mailverteiler)\b.{0,20}\b(?:ab|aus|entfernen|löschen|streichen|nehmen|abmelden|austragen|abbestellen)",
    r"\b(?:streichen|nehmen|entfernen|löschen|tragen|melden|trag|nehmt|nimm|lösch|streich|entfern|meld)(?:e|e?t)?\b.{0,12}\b(?:mich|uns|meine (?:e-?mail-?)?adresse|meine e-?mail|meine daten)\b.{0,60}(?:\b(?:verteiler|liste|mailingliste|newsletter|datenbank|adressliste|mailverteiler)\b|\b(?:ab|aus)(?:$| (?:und|bitte|sofort)\b))",
    r"\bnewsletter\b.{0,30}\b(?:abbestellen|abmelden|kündigen|stornieren)",
    r"\b(?:möchte|will|wünsche|wollen|möchten)\b.{0,20}\bkeine (?:weiteren |solchen |mehr )?(?:e-?mails?|mails|newsletter|werbung|nachrichten|werbemails|spam)\b",
    r"\b(?:senden|schicken|schreiben|sende|schick|schicke|schickt|sendet) (?:sie )?(?:mir|uns)\b.{0,20}\bkeine\b.{0,12}\b(?:e-?mails?|mails?|newsletter|werbung|nachrichten|werbemails|spam)\b",
    r"\bkeine (?:weiteren )?(?:e-?mails|mails|newsletter|werbung|werbemails|nachrichten)(?: mehr| bitte)+(?: (?:zu)?(?:schicken|senden))?$",
    r"\b(?:hören|hör|hört) (?:sie )?auf\b.{0,12}\b(?:mir|uns)\b.{0,40}\b(?:schicken|senden|schreiben|zuzuschicken|zu mailen)",
    r"\b(?:entfernen|löschen|streichen) sie (?:bitte )?(?:mich|uns|meine (?:e-?mail-?)?adresse|meine e-?mail|meine daten)(?: bitte| sofort| umgehend)*$",
    r"\b(?:von|aus) (?:der|dem|ihrer|ihrem|eurer|eurem|dieser|diesem) (?:\w+ )?(?:liste|verteiler|mailingliste|datenbank)\b.{0,12}\b(?:gestrichen|genommen|entfernt|gelöscht|ausgetragen|abgemeldet)(?: zu)? werden$",
    r"^(?:bitte )?(?:mir |uns )?nichts? mehr (?:zu)?(?:senden|schicken)$",
    # French
    r"\b(?:désinscri\w*|desinscri\w*|désabonne\w*|desabonne\w*|retire\w*|supprime\w*|enleve\w*|enlève\w*|radie\w*)[- ](?:moi|nous|mon adresse|mon e-?mail|mon mail)\b(?:.{0,30}\b(?:liste|base|fichier|newsletter|mailing|envois|diffusion))?.{0,30}$",
    r"\b(?:me|mon adresse) (?:désinscrire|désabonner|retirer|supprimer|rayer|enlever)\b.{0,60}$",
    r"\bne (?:souhaite|veux|désire|voulons|souhaitons) plus (?:recevoir|avoir|être)\b.{0,60}$",
    r"\b(?:arrêtez|cessez|arrêter|arretez)\b.{0,12}\b(?:m'envoyer|de m'envoyer|m'écrire|de m'écrire|m'importuner|vos (?:mails|e-?mails|courriels|messages|spams?|envois))\b.{0,40}$",
    r"\bne m'(?:envoyez|écrivez|envoie|contactez) plus\b.{0,40}$",
    rf"\bne plus (?:(?:m'|me |nous )(?:envoyer|écrire|contacter|solliciter|adresser|importuner)(?: {_COURRIELS})?|(?:envoyer|adresser|recevoir) {_COURRIELS})(?:,.{{0,30}})?$",
    r"\bêtre (?:(?:désinscri|désabonn)\w*\b.{0,40}|(?:retir|supprim|radi)\w*\b.{0,20}\b(?:liste|base|fichier|newsletter|mailing|envois|diffusion)s?\b.{0,20})$",
    rf"\bne (?:souhaite|veux|désire|voulons|souhaitons) plus {_COURRIELS}$",
    rf"^(?:stop|plus) {_COURRIELS}$",
    # Spanish
    r"\b(?:dar(?:me|nos)?|dame|denme|dadme|déme|deme|solicito(?: la)?|quiero(?: la)?|pido la|tramitar la|darse) (?:de )?baja\b.{0,60}$",
    r"\b(?:elim[ií]n\w*|b[oó]rr\w*|qu[ií]t\w*|ret[ií]r\w*|s[aá]quen?me|s[aá]c[ae]n?me|remueva\w*)(?:me|nos|\b mi (?:correo|email|e-?mail|dirección|nombre))?\b.{0,16}\b(?:de (?:su|la|esta|tu|sus|vuestra) (?:lista|base|boletín|newsletter|listas))\b.{0,30}$",
    r"\b(?:no (?:quiero|deseo|queremos|deseamos)) (?:recibir |que me (?:envíen|manden|escriban) )?(?:más |mas )?.{0,16}\b(?:correos?|e-?mails?|mails?|mensajes|boletines|boletín|publicidad|newsletters?|spam)\b.{0,20}$",
    r"\b(?:deje|dejen|deja|dejad|paren|pare) de (?:enviar|mandar|escribir|molestar)\w*\b.{0,40}$",
    r"\bno (?:me|nos) (?:env[ií]en?|envíes|manden?|mandes|escriban?) (?:(?:más|mas)\b.{0,30}|nada(?: más| mas)?)$",
    r"\bcancel\w* (?:mi |la )?suscripción\b.{0,30}$",
    r"\bno (?:quiero|deseo|queremos|deseamos) seguir recibiendo\b.{0,40}$",
    # Italian
    r"\b(?:cancell\w*|rimuov\w*|toglie\w*|elimin\w*|disiscriv\w*|depenn\w*)(?:mi|temi|re il mio|te il mio)?\b.{0,24}\b(?:dalla|dalle|dal|da questa|da questo|dai|dagli) (?:vostr\w+ |tua |tuo |sua |questa )?(?:mailing list|lista|liste|newsletter|database|elenco|mailing)\b.{0,30}$",
    r"\bnon (?:voglio|desidero|vogliamo|desideriamo|intendo) (?:più )?(?:ricevere|avere)\b.{0,60}$",
    r"\b(?:smettete|smettetela|smetti|smettila|basta) (?:di|con) (?:mandarmi|inviarmi|scrivermi|mandare|inviare|queste? (?:e-?)?mail|lo spam)\b.{0,40}$",
    r"\bnon (?:mandatemi|inviatemi|scrivetemi|mandarmi|inviarmi) più\b.{0,40}$",
    r"\b(?:disiscrivermi|cancellarmi|disiscrivere)\b.{0,60}$",
    r"\b(?:cancell|rimuov|elimin|togli)\w* (?:il mio|la mia) (?:indirizzo|e-?mail|mail|nominativo|casella)$",
    r"^basta (?:con (?:le |queste )?)?(?:e-?mail|mail|newsletter|spam)$",
    # Portuguese
    r"\b(?:remov\w*|retir\w*|exclu\w*|tir\w*|descadastr\w*|apag\w*)(?:-me)?(?: (?:me|meu (?:e-?mail|nome|endereço|cadastro|contato|contacto)|o meu (?:e-?mail|nome|endereço|contacto)))?\b.{0,16}\b(?:da|de|das|desta|dessa) (?:sua |vossa |tua |lista |suas )?(?:lista|mailing|newsletter|base|listas|mala direta|e-?mails)\b.{0,30}$",
    r"\bnão (?:quero|desejo|queremos|desejamos|pretendo) (?:mais )?(?:receber|que me enviem)\b.{0,60}$",
    r"\b(?:parem?|deixem?|pare) de (?:me )?(?:enviar|mandar|escrever|incomodar)\b.{0,40}$",
    r"\bnão (?:me (?:enviem?|mandem?|escrevam) mais\b.{0,30}|(?:enviem?|mandem?) mais (?:nada|e-?mails?|mails?|mensagens|newsletters?|spam|propaganda))$",
    r"\bcancel\w* (?:a )?(?:minha |a minha )?(?:inscrição|assinatura|subscrição)\b.{0,30}$",
    r"\bcancel\w* o recebimento\b.{0,30}$",
    # Dutch
    r"\b(?:haal|verwijder|schrijf|meld|schrap|gelieve) (?:mij|me|ons|mijn (?:e-?mail|mail|adres|e-?mailadres|gegevens))?\b.{0,40}\b(?:uit|af|van|te verwijderen)\b.{0,40}\b(?:lijst|mailinglijst|mailinglist|nieuwsbrief|bestand|maillijst|verzendlijst|database)\b.{0,16}$",
    r"\b(?:wil|wens|willen|wensen) (?:graag )?(?:geen|niet meer)\b.{0,20}\b(?:e-?mails?|mails?|nieuwsbrief|nieuwsbrieven|berichten|reclame|ontvangen)\b.{0,24}$",
    r"\b(?:stop|hou op) met\b.{0,16}\b(?:mailen|sturen|spammen|e-?mailen|toesturen|nieuwsbrieven|mails)\b.{0,20}$",
    r"\b(?:schrijf|meld) (?:mij|me|ons) (?:uit|af)\b.{0,40}$",
    r"\b(?:stuur|zend|mail) (?:mij|me|ons) (?:alstublieft |aub |graag )?(?:geen (?:e-?mails?|mails?|nieuwsbrie\w+|berichten|reclame)(?: meer)?|niets? meer)$",
    r"^(?:graag |liever |alstublieft |aub )?geen (?:e-?mails?|mails?|nieuwsbrie\w+|berichten|reclame) meer(?: (?:toe)?sturen)?$",
    # Polish
    r"\b(?:wypisa\w*|wypisz\w*|wykreśl\w*|usu[nńwąć]\w*|wyrejestr\w*)\b.{0,40}\b(?:list\w*|newsletter\w*|baz\w*|subskrypcj\w*|mailing\w*)\b.{0,24}$",
    r"\b(?:nie chcę|nie życzę sobie|nie chce|nie chcemy) (?:już |więcej |juz )?(?:otrzymywać|dostawać|otrzymywac|dostawac|takich)\b.{0,60}$",
    r"\b(?:proszę|prosze) (?:nie|więcej nie|o nie) (?:wysyłać|przysyłać|przesyłać|wysylac|pisać|wysyłanie)\b.{0,60}$",
    r"\b(?:rezygnuję|rezygnuje) (?:z|ze) (?:subskrypcji|newslettera|otrzymywania)\b.{0,40}$",
    r"\bnie (?:przysyłaj|wysyłaj|przesyłaj)\w*\b.{0,12}\b(?:mi|nam|więcej|już)\b.{0,30}$",
    # Russian, Ukrainian, Bulgarian
    r"(?:отпишите|отписать|уберите|исключите|удалите|вычеркните|відпишіть|видаліть|приберіть|отпишете|премахнете)\b.{0,30}(?:рассыл\w*|розсил\w*|списк\w*|базы|баз\w*|списъ\w*|бюлетин\w*)\b.{0,24}$",
    r"(?:не хочу|не желаю|не хотим|не бажаю|не искам) (?:больше |более |більше |повече )?(?:получать|отримувати|да получавам|видеть)\b.{0,60}$",
    r"(?:прекратите|перестаньте|хватит|припиніть|досить|спрете|не надо|не нужно)\b.{0,24}(?:присылать|слать|отправлять|рассылать|писать|надсилати|слати|рассылку|спам\w*|да ми пращате)\b.{0,40}$",
    r"(?:больше|более) (?:мне )?не (?:пишите|присылайте|шлите|отправляйте)\b.{0,40}$",
    r"не (?:пишите|присылайте|шлите|отправляйте) мне (?:больше|более|письма|рассылку|спам)\b.{0,40}$",
    r"(?:удалить|исключить|убрать|вычеркнуть|видалити|вилучити|виключити)\b(?:.{0,40}(?:рассыл|розсил)\w*|.{0,10}\b(?:меня|нас|мене|мой|наш|мій|мою|нашу)\b.{0,30}(?:списк|баз)\w*)\b.{0,24}$",
    r"(?:отменить|отмените|аннулировать|скасувати|скасуйте) (?:мою )?(?:подписку на рассылку|підписку на розсилку)$|(?:хочу|хотел бы|хотела бы|желаю|бажаю) (?:отписаться|відписатися)\b.{0,30}$",
    r"(?:удалите|уберите|исключите|вычеркните|видаліть) (?:мой|наш|мій) (?:адрес|e-?mail|имейл|электронный адрес)\b(?:,? (?:пожалуйста|сейчас))?$",
    r"не (?:присылайте|шлите|отправляйте|надсилайте) (?:мне |нам |мені )?(?:больше|більше)(?: (?:мне|ничего|нічого|пис[еь]м\w*|лист\w*|сообщени\w*|рассыл\w*|розсил\w*|реклам\w*|спам\w*))*$",
    # Czech, Slovak
    r"\b(?:odhlas\w*|odhlás\w*|vyřa\w*|vyra\w*|odstra\w*|smaž\w*|vymaž\w*)\b.{0,30}\b(?:odběr\w*|odber\w*|seznam\w*|zoznam\w*|databáz\w*|newsletter\w*|novin\w*|rozesíl\w*)\b.{0,24}$",
    r"\b(?:nechci|nepřeji si|neprajem si|nechcem|nepřeju si)\b.{0,12}\b(?:dostávat|dostávať|zasílat|zasielať|žádné|žiadne|další|ďalšie)\b.{0,40}$",
    r"\b(?:neposílejte|nezasílejte|neposielajte|přestaňte|prestaňte)\b.{0,12}\b(?:mi|nám|mě|posílat|posielať)\b.{0,40}$",
    r"\b(?:odhlášen\w*|odhláseni\w*|zrušen\w*|zrušeni\w*|zrušte|vyřazen\w*|vyraden\w*)\b.{0,30}\b(?:odběr\w*|odber\w*|seznam\w*|zoznam\w*|newsletter\w*|novin\w*|databáz\w*)\b.{0,24}$",
    # Hungarian, Romanian
    r"\b(?:leiratkoz\w*|iratkozzanak le|töröljenek|töröljék|vegyenek le|távolítsanak el)\b.{0,40}\b(?:hírlev\w*|list\w*|adatbázis\w*)?.{0,24}$",
    r"\b(?:ne küldjenek|nem (?:kérek|szeretnék|akarok))\b.{0,16}\b(?:több|hírlevel\w*|e-?mail\w*|levelet|üzenet\w*|kapni)\b.{0,30}$",
    r"\b(?:dezabon\w*|ștergeți\w*|stergeti\w*|eliminați\w*|scoateți\w*|scoateti\w*)\b.{0,24}\b(?:list\w*|newsletter\w*|baza|abonament\w*)\b.{0,24}$",
    r"\bnu (?:mai )?(?:doresc|vreau|dorim)(?: să)?(?: mai)? (?:primesc|primim|primi)\b.{0,40}$",
    r"\b(?:să |sa )?mă (?:dezabona\w*|ștergeți|stergeti|scoateți|scoateti|eliminați)\b.{0,40}$|\bvreau să mă dezabonez\b.{0,40}$|\bnu (?:îmi|imi) mai (?:trimite\w*|scrie\w*)\b.{0,40}$",
    # Swedish, Danish, Norwegian, Finnish
    r"\b(?:ta bort|avregistrera|radera|stryk|fjern|slet|slett|afmeld|avmeld|meld|tag|ta) (?:mig|oss|meg|mig|os|min (?:e-?post|mail|e-?mail|adress\w*|mailadress\w*|e-?postadress\w*))\b.{0,40}\b(?:list\w*|utskick\w*|nyhetsbrev\w*|nyhedsbrev\w*|mailing\w*|register|registre\w*|av|ut|af)\b.{0,24}$",
    r"\b(?:vill|ønsker|önskar|vil) (?:inte|ikke)\b.{0,12}\b(?:ha|få|have|motta|modtage|längre|lenger|længere)\b.{0,40}$",
    r"\b(?:sluta|stop med at|slutt|slutt å|stopp) (?:med )?(?:att )?(?:skicka|sende|maila|maile|mejla|spamma|å sende)\b.{0,40}$",
    r"\b(?:poista\w*|ottakaa|ota|peruuta\w*)\b.{0,24}\b(?:listal\w*|postituslist\w*|tilau\w*|rekisteri\w*|uutiskir\w*)\b.{0,24}$",
    r"\b(?:en halua|emme halua|älkää|älä)\b.{0,16}\b(?:vastaanottaa|saada|lähettä\w*|enää|viestejä|postia)\b.{0,40}$",
    r"\b(?:afmelde|avmelde|avbeställa|avregistrera|säga upp|opsige|si opp|afbestille|avslutte|avsluta)\b.{0,24}\b(?:nyhetsbrev\w*|nyhedsbrev\w*|prenumeration\w*|utskick\w*|liste\w*|mig|meg)\b.{0,24}$",
    r"\b(?:peruuttaa|lopettaa|perua|irtisanoa|keskeyttää)\b.{0,30}\b(?:uutiskir\w*|postituslist\w*)\b.{0,24}$|\b(?:uutiskir\w*|postituslist\w*)\b.{0,24}\b(?:peruuttaa|lopettaa|perua|pois)\b.{0,24}$|\b(?:poista\w*|poistetaan) (?:minut|osoitteeni|sähköpostini)\b.{0,40}$",
    r"\b(?:ønsker|vil|vill|önskar) (?:ikke|inte) (?:flere|fler|mere|mer) (?:e-?mails?|e-?post|mails?|mejl|nyhetsbrev|nyhedsbreve|reklam\w*|spam|beskeder|meldinger|utskick)$",
    # Greek, Turkish
    r"(?:διαγράψτε|διαγραφή|αφαιρέστε|βγάλτε)\b.{0,24}(?:λίστα\w*|newsletter|ενημερ\w*)\b.{0,24}$",
    r"(?:δεν|να μην) (?:θέλω|επιθυμώ|μου στέλνετε|λαμβάνω)\b.{0,50}$",
    r"\b(?:beni|e-?posta adresimi|adresimi|mail adresimi)\b.{0,30}\b(?:list\w*|abonelik\w*|bülten\w*)\b.{0,20}\b(?:çıkar\w*|sil\w*|kaldır\w*)",
    r"\b(?:mail|e-?posta|mesaj|bülten)\w*\b.{0,30}\b(?:almak istemiyor\w*|göndermeyin\w*|atmayın\w*|istemiyorum)",
    r"^διαγράψτε (?:με|μας)\b.{0,20}$",
    r"\babone\w* (?:iptal (?:edin|ediniz|et|etmek|edilsin)|sonlandırın)\b",
    # Japanese, Chinese, Korean
    r"配信(?:を)?(?:停止|解除|中止|拒否)|(?:メール|メルマガ|配信|送信).{0,10}(?:停止|止め|やめ|不要|解除|いりません|送らない|送信しない)|購読.{0,6}(?:解除|中止|停止|やめ)|リストから.{0,6}(?:削除|外し|除外)",
    r"退订|退訂|取消(?:订阅|訂閱)|(?:不要|别|別|请勿|請勿|停止|不想|不愿)(?:再)?.{0,8}(?:发|發|寄|收到|发送|發送|接收).{0,8}(?:邮件|郵件|信|垃圾|广告|廣告)|(?:移除|删除|刪除|剔除).{0,10}(?:邮件列表|名单|名單|列表|清單|邮箱|信箱)|我.{0,10}(?:邮件列表|郵件列表|邮寄名单|名单|名單|列表|清單)(?:中|里|裡|上)?(?:移除|删除|刪除|剔除|除名)|(?:不要|别|別|请勿|請勿|停止)再?(?:联系|聯繫|打扰|打擾)我",
    r"수신\s?(?:거부|거절|차단)|구독\s?(?:취소|해지|중단)|(?:메일|이메일|뉴스레터).{0,12}(?:보내지\s?마|그만|받고\s?싶지|원하지\s?않|수신을\s?원하지)|(?:명단|목록|리스트)에서.{0,8}(?:삭제|제외|빼)",
    # Hebrew, Arabic, Indonesian, Vietnamese, Thai
    r"(?:הסר|הסירו|להסיר|תסירו|מחקו).{0,24}(?:רשימ|תפוצה|דיוור)|(?:הסר|הסירו|תסירו|מחקו) אותי|(?:לא מעוניין|לא מעוניינת|לא רוצה) לקבל|(?:הפסיקו|תפסיקו) לשלוח",
    r"(?:إلغاء|الغاء|ألغوا) (?:ال)?اشتراك|(?:احذف|أزل|ازل|حذف|إزالة|شطب).{0,30}(?:القائمة|قائمة|القوائم)|لا (?:أريد|اريد|أرغب|ارغب).{0,20}(?:استلام|تلقي|رسائل)|(?:توقف|توقفوا) عن (?:إرسال|ارسال|مراسلة)",
    r"\b(?:hapus|keluarkan|hentikan)\b.{0,30}\b(?:daftar|langganan|milis|mengirim|email)\b.{0,30}$|\bberhenti (?:berlangganan|mengirim)\b.{0,30}$|\btidak (?:ingin|mau) (?:lagi )?(?:menerima|terima)\b.{0,40}$",
    r"(?:hủy|huỷ|ngừng|dừng|đừng) (?:đăng ký|gửi|nhận).{0,40}$|không muốn (?:tiếp tục )?nhận.{0,40}$|xóa (?:tôi|email).{0,20}danh sách.{0,20}$",
    r"ยกเลิก.{0,12}(?:รับ|สมัคร|ติดตาม|ข่าวสาร)|(?:หยุด|อย่า|เลิก|ไม่ต้อง)ส่ง.{0,16}(?:เมล|อีเมล|ข้อความ)|ไม่ต้องการรับ",
)

COMPLAIN = (
    # English
    r"^(?:this|that|it|your (?:e-?mail|email|mail|message|newsletter)|these (?:e-?mails|emails|mails)|what you (?:do|send))(?: is| are|'s)(?: \w+){0,2} (?:spam|spamming|junk ?mail|unsolicited(?: \w+)?|harassment|illegal|unwanted spam)(?:$|,)",
    r"^(?:spam|spammer|spammers|fucking spam\w*|damn spam\w*|junk|pure spam|spam spam spam)$",
    r"\bstop spamming\b", r"\byou(?: are|'re) (?:a |all )?(?:spamm\w+|spam)\b", r"\bspamming me\b", r"\byou\b.{0,20} spamming us\b",
    r"\bi (?:have )?(?:never|did not|didn't|didnt|don't recall|do not recall|do not remember|don't remember|haven't|have not)(?: ever)? (?:sign(?:ed|ing)? up|sign|subscrib\w+|(?:ask(?:ed)?(?: you)? for|request(?:ed)?)(?: \w+)? ?(?:this|these|it|your|such|any|them|$)|ask(?:ed)? to (?:be|get|receive)|opt(?:ed)?[- ]in|register\w*|consent\w*|agree\w*|g[ai]ve?n? (?:you )?(?:my )?(?:permission|consent|e-?mail|address|email))\b(?!.{0,60}\b(?:refund|invoice|change|upgrade|meeting|order|parcel)\b)",
    r"\bi(?:'ll| will| am going to|'m going to| shall|'m| am| have|'ve)? (?:now )?(?:be )?report(?:ed|ing)? (?:you|this|it|your)\b",
    r"(?:^|\b(?:i|we|have|been|be|will) )(?:reported|marked|flagged) (?:you|this|it|your (?:e-?mails?|mails?|domain|company))? ?(?:as spam|to (?:the )?(?:ftc|ico|spamcop|authorities|police|abuse|your provider|isp))",
    r"^(?=.*\b(?:you|your|i|me|my|no|stop)\b).*\b(?:unsolicited|uninvited|unwanted) (?:commercial |bulk |marketing )?(?:e-?mails?|emails?|mails?|messages|advertis\w+|spam)\b",
    r"\b(?:violat\w+|breach\w*|illegal under|complaint under|against) (?:of )?(?:the )?(?:gdpr|can-?spam|pecr|data protection|privacy law\w*|casl)\b",
    r"\b(?:legal action|my lawyer|my attorney|take you to court|sue you|cease and desist|data protection authority)\b",
    # German
    r"^(?:das|dies|sowas|ihre mail|ihre e-mail) (?:ist|sind)(?: \w+){0,2} (?:spam|werbemüll|belästigung)$", r"^(?:spam|werbemüll|nur spam|reiner spam)$",
    r"\bhabe (?:mich )?(?:hier |dort |dafür |bei ihnen |bei euch |nie |niemals |mich |diesen |ihren |den |das )*(?:(?:nie|niemals)\b.{0,40}\b(?:angemeldet|bestellt|eingewilligt|zugestimmt|abonniert|registriert|gegeben|angefordert|eingetragen)|nicht\b.{0,40}\b(?:angemeldet|eingewilligt|abonniert|registriert|eingetragen)\b)",
    r"\b(?:unerwünschte|unverlangte|unaufgeforderte)\w* (?:werbung|e-?mails?|mails?|newsletter|werbe-?mails?)", r"\b(?:werde|habe) (?:ich )?(?:sie|das|dies|euch|diese mail)\b.{0,30}\b(?:melden|gemeldet|anzeigen|angezeigt|abmahnen)",
    r"\b(?:verstoß gegen (?:die )?dsgvo|rechtsanwalt|abmahnung|unterlassungserklärung|bundesnetzagentur|verbraucherzentrale|datenschutzbehörde)\b",
    # French
    r"^(?:c'est|ceci est|ce sont)(?: \w+){0,2} (?:spams?|pourriels?|harcèlement|abus)$", r"\bjamais (?:été )?(?:demandé|donné (?:mon|l')|inscrit\w*|abonné\w*|souscrit|consenti|sollicité)\b|\bpas (?:inscrit\w*|abonné\w*|consenti|sollicité (?:vos|votre|ces))\b",
    r"\b(?:signaler\w*|signalé|dénoncer\w*|plainte|porter plainte|cnil|signal spam)\b.{0,40}$", r"\b(?:courriel|mail|e-?mail|message|publicité)s? (?:indésirable|non sollicité|abusi)\w*",
    # Spanish, Portuguese, Italian
    r"^(?:esto|eso|este correo|isto|isso|este e-?mail|questo|questa)(?: es| é| è|'è)(?: \w+){0,2} (?:spam|correo basura|acoso|basura|lixo|assédio)(?:$|,)", r"^è spam$", r"^es spam$", r"^é spam$",
    r"\b(?:nunca|jamás|mai|jamais) (?:me |mi |mi sono |sono |ho |he |la |lo |os |vos )*(?:suscri[bt]\w+|registr\w+|inscri\w+|solicit\w+|pedí|pedi|autoric\w+|autoriz\w+|di mi|cadastr\w+|subscrev\w+|iscritt\w+|richiest\w+|chiesto|autorizzat\w+|dato il mio|dado mi|forneci)\b|\b(?:no|non|não) (?:me he |me |mi sono |mi )(?:suscri[bt]\w+|registr\w+|inscri\w+|cadastr\w+|iscritt\w+)\b",
    r"\b(?:denunci\w+|segnal(?:er|o|at)\w*|denúncia|reclamação|agencia de protección|garante (?:della )?privacy|procon|lgpd)\b.{0,40}$",
    r"\b(?:correos?|mensajes?|publicidad|e-?mails?|mail|mensagens|messaggi) (?:no (?:deseado|solicitado)|não (?:solicitad|desejad)|non (?:richiest|desiderat|sollecitat)|indesiderat|indesejad)\w*",
    # Dutch, Polish
    r"^(?:dit|dat) (?:is|zijn)(?: \w+){0,2} (?:spam|ongewenst|intimidatie)$", r"\bnooit (?:\w+ ){0,4}(?:aangemeld|ingeschreven|toestemming|gevraagd|geabonneerd|opgegeven)\b|\bniet (?:aangemeld|ingeschreven|geabonneerd)\b", r"\bongewenste? (?:reclame|e-?mails?|mails?|post|berichten)\b",
    r"^(?:to|to jest)(?: \w+){0,2} spam$", r"\bnigdy (?:się )?(?:nie )?(?:nie )?(?:zapisyw\w+|wyraż\w+|podaw\w+|prosi\w+|zgadz\w+|rejestr\w+|subskryb\w+)", r"\b(?:zgłoszę|zgłaszam|zgłosiłem|uodo|rodo|niechcian\w+|niezamówion\w+)\b.{0,40}$",
    # Russian and neighbours
    r"^(?:это|цe|це|това е|вы|ваше письмо)(?: [\w-]+){0,2} спам\w*$", r"^спам\w*$", r"(?:никогда|ніколи|никога|я не|мы не) (?:не )?(?:подписыв\w+|давал\w*|регистрир\w+|соглаша\w+|просил\w*|підписув\w+|реєструв\w+)", r"(?:пожалуюсь|жалоб\w+|пожаловаться|роскомнадзор|фас|скарг\w+|поскаржусь)\b.{0,40}$", r"прекратите (?:\w+ )?спам\w*",
    # Czech, Slovak, Hungarian, Romanian
    r"^(?:toto|to) (?:je)(?: \w+){0,2} spam$", r"\bnikdy (?:jsem |som )?(?:se |sa |si |vám )*(?:ne\w+)\b.{0,24}\b(?:přihlás\w*|prihlás\w*|odběr|odber|souhlas|súhlas|adresu)?", r"\bnevyžádan\w+|nevyžiadan\w+", r"^ez (?:egy )?(?:spam|kéretlen)", r"\b(?:soha nem|sosem) (?:iratkoz\w+|kért\w+|adtam)", r"\bkéretlen\b", r"^(?:acesta|ăsta|asta) (?:este|e)(?: \w+)? spam$", r"\bnu (?:m-am|am) (?:abonat|înscris|inscris|cerut|solicitat|dat)\b",
    # Nordic, Greek, Turkish
    r"^(?:det(?:ta|te)?|dette) (?:är|er)(?: \w+){0,2} (?:spam|skräppost|søppelpost)$", r"\b(?:aldrig|aldri) (?:anmält|registrerat|bett|prenumererat|tilmeldt|bedt|samtykket|meldt meg|abonnert|gett|givet|tillåtit)\b|\b(?:inte|ikke) (?:prenumererat|tilmeldt|abonnert|anmält mig|meldt meg på)\b", r"^tämä on(?: \w+)? (?:roskapostia|spämmiä|spammia)$", r"\ben ole (?:koskaan )?(?:tilannut|pyytänyt|antanut|liittynyt)\b", r"^αυτό είναι(?: \w+)? spam$", r"\bποτέ δεν (?:εγγράφηκα|ζήτησα|έδωσα)", r"^bu(?: \w+){0,2} spam\w*$", r"\b(?:hiç|asla) (?:üye|abone|kayıt|izin)\b.{0,20}(?:olmadım|vermedim|etmedim)", r"\bşikayet ed\w+",
    # Japanese, Chinese, Korean, Hebrew, Arabic and others
    r"迷惑メール|スパム(?:です|だ|メール)|登録した覚え(?:が|は)|登録していません|申し込んだ覚え|通報(?:し|します)", r"(?:这是|這是|纯属|都是)?垃圾(?:邮件|郵件)|(?:从未|從未|从来没有|沒有|没有|没)(?:订阅|訂閱|注册|註冊|同意)|(?:举报|舉報|投诉|投訴)你?", r"스팸(?:이|입|메일|신고)|(?:가입|신청|구독|동의)(?:한|하지)\s?(?:적|않)|신고(?:하|합|할)", r"(?:זה|זהו) (?:ספאם|דואר זבל)|מעולם לא (?:נרשמתי|ביקשתי|הסכמתי)|אתלונן", r"هذا (?:بريد )?(?:مزعج|سبام|عشوائي)|لم (?:أشترك|اشترك|أسجل|اسجل|أطلب|اطلب)|سأبلغ|سأشتكي", r"\bini (?:adalah )?spam$|\btidak pernah (?:mendaftar|berlangganan|meminta)\b|\bakan (?:saya )?laporkan\b", r"đây là (?:thư rác|spam)|(?:chưa bao giờ|không hề|chưa từng) (?:đăng ký|yêu cầu)", r"นี่คือสแปม|ไม่เคย(?:สมัคร|ลงทะเบียน)",
)  # fmt: skip

MAYBE = (
    r"\b(?:how|please|can|could|want|would|wish|need|like|try|tried|trying)\b.{0,40}\b(?:unsubscribe|opt[- ]out)\b(?! (?:link|button|page|rate|header|option|form|event|url|address|feature|function))",
    r"\bunsubscribe (?:my|our|his|her|him|them|their)\b",
    r"\b(?:remove|delete|take|drop) (?:my|our|his|her|their|him|them|the (?:user|person|address)|[\w.+-]{1,64}@[\w.-]{3,255})\b.{0,60}\b(?:mailing|distribution|e-?mail|newsletter|contact)s? ?(?:lists?|database)?\b",
    r"\b(?:abbestellen|abmelden|austragen)\b.{0,40}\b(?:newsletter|verteiler)|\b(?:newsletter|verteiler)\b.{0,60}\b(?:abbestellen|abmelden|austragen|streichen|nehmen|löschen)",
    r"\b(?:désabonn|désinscri|desabonn|desinscri)\w*", r"\bdar(?:se|le|me)? de baja\b", r"\b(?:disiscriv|descadastr)\w*", r"\b(?:uitschrijven|afmelden)\b.{0,30}\bnieuwsbrief",
    r"\b(?:отпис|відпис)\w*", r"配信停止|退订|退訂|수신\s?거부",
)  # fmt: skip
"""Unclear without a look: a question how it is done, or a word on behalf of another."""

HINTS = (
    "subscri", "suscri", "subcri", "remov", "stop", "opt", "take", "off", "delet", "mail", "no more", "cancel", "spam", "junk", "report", "never",
    "not", "n't", "dont", "unsolic", "unwant", "uninvit", "violat", "breach", "legal", "court", "lawyer", "attorney", "gdpr", "sue ", "cease", "protection",
    "illegal", "harass", "want", "wish", "drop", "asked", "told", "get ", "strike", "cross", "scratch", "exclude",
    "newsletter", "verteiler", "liste", "lista", "abmeld", "keine", "hör", "nie", "nicht", "werb", "unerw", "melde", "anw", "dsgvo", "trag",
    "désinscri", "desinscri", "désabonn", "desabonn", "retir", "supprim", "plus", "arrêt", "arret", "cess", "jamais", "pas ", "signal", "cnil", "plainte", "indésir",
    "baja", "lista", "no ", "deje", "deja", "paren", "pare ", "nunca", "jamás", "denunci", "elim", "non ", "cancell", "rimuov", "togli", "smett", "basta", "disiscri",
    "não", "remov", "descadastr", "exclu", "mai ", "lijst", "nieuwsbrief", "geen", "niet", "uit", "nooit", "ongewenst", "wypis", "usu", "wyrejestr", "nie ", "rezygn", "nigdy", "zgł", "rodo",
    "рассыл", "розсил", "спис", "баз", "не ", "прекрат", "перест", "хватит", "больше", "более", "спам", "никогда", "ніколи", "жал", "скарг", "бюлетин", "досить", "припин", "отпис",
    "odhl", "vyřa", "vyra", "odstra", "smaž", "vymaž", "nech", "nepř", "nepr", "nepos", "nezas", "přesta", "presta", "nikdy", "nevy",
    "leirat", "irat", "töröl", "vegyen", "távol", "küldj", "nem ", "soha", "sosem", "kéretlen", "dezabon", "șterge", "sterge", "scoate", "scoate", "nu ",
    "bort", "fjern", "slet", "meld", "entfern", "streich", "lösch", "stryk", "radera", "registrera", "inte", "ikke", "slut", "aldri", "poist", "ota", "peruuta", "halua", "älkää", "älä", "roska", "en ole",
    "διαγρ", "αφαιρ", "βγάλ", "δεν", "μην", "ποτέ", "list", "abone", "bülten", "posta", "mesaj", "hiç", "asla", "şikayet", "bu ",
    "配信", "メール", "購読", "リスト", "迷惑", "スパム", "登録", "申し込", "通報", "退", "取消", "不要", "别", "別", "勿", "停止", "不想", "不愿", "移除", "删除", "刪除", "剔除", "垃圾", "没", "沒",
    "举报", "舉報", "投诉", "投訴", "수신", "구독", "메일", "뉴스", "명단", "목록", "리스트", "스팸", "가입", "신청", "신고",
    "הסר", "הסירו", "להסיר", "תסירו", "מחקו", "לא ", "הפסיקו", "תפסיקו", "ספאם", "מעולם", "אתלונן", "اشتراك", "احذف", "أزل", "ازل", "حذف", "إزالة", "شطب", "لا ", "توقف", "مزعج", "سبام", "لم ", "سأ",
    "hapus", "keluar", "henti", "tidak", "lapor", "hủy", "huỷ", "ngừng", "dừng", "đừng", "không", "xóa", "thư", "chưa", "ยกเลิก", "หยุด", "อย่า", "เลิก", "ไม่", "สแปม",
)  # fmt: skip
"""No expression is found in a sentence without one of these: looking for them first costs little."""

NOT_MEANT = (
    r"\b(?:don't|do not|dont|didn't|did not|never|not|why|without|wasn't|was not|instead of|rather than|please don't) (?:\w+ ){0,4}(?:unsubscrib\w*|remov\w*|delet\w*|opt(?:ed)? out)\b",
    r"\b(?:if|unless|when|once|until|before|whether|because|since|after|in case) (?:you|i|we|they|he|she|it|someone|people|customers?|users?|somebody)\b.{0,60}\b(?:unsubscrib|remov|stop|opt|subscrib|signed|report)",
    r"\b(?:went|goes|go|landed|land|ended up|end up|put|caught|found (?:it|this|your \w+)) (?:straight )?(?:in|into|to) (?:my |the |our )?(?:spam|junk)\b",
    r"\bto (?:unsubscribe|stop receiving|opt out),? (?:please |simply |just )?(?:click|visit|reply|send|go|use|follow|tap|log)",
    r"^(?:to unsubscribe|unsubscribe (?:here|link|from this list|:)|click|if you (?:no longer|do not|don't|would like|want|wish))",
    r"\b(?:how|where) (?:do|can|would|could|does|should) (?:our|my|the|their|people|customers?|users?|a|one|someone|they)\b",
    r"\b(?:um sich abzumelden|zum abbestellen|wenn sie (?:keine|diesen|sich)|falls sie|hier abmelden|pour vous désabonner|pour vous désinscrire|si vous ne souhaitez|si no desea|para darse de baja|se non (?:desidera|vuoi)|per cancellarti|se não deseja|als u geen|om u af te melden|jeśli nie chcesz|чтобы отписаться|если вы не)\b",
    r"\b(?:are|is|was|were) (?:\w+ ){0,2}(?:unsubscrib\w+|removed) (?:automatically|by mistake|in error|by accident)",
    r"\bne pas (?:me |nous |m')?(?:retir|désinscri|désabonn|supprim|enlev|radi)\w*|\b(?:vill|vil|ønsker|önskar) (?:inte|ikke) (?:avregistrera|avmelde|afmelde|ta bort|fjerne|slette|avbeställa)\b",
    r"\b(?:in|auf) (?:den|die|das|ihren|ihre|euren|eure|deinen|deine) (?:\w+ )?(?:verteiler|liste|mailingliste|newsletter|datenbank)\b.{0,20}\b(?:auf|ein|setzen|aufnehmen|eintragen)\b",
    # What is to stay as it is. "I cannot unsubscribe" is no such sentence.
    r"\b(?:meld|trag|nehm|nimm|streich|lösch|entfern)\w* (?:sie |bitte ){0,2}(?:mich|uns) (?:\w+ ){0,2}nicht\b|\b(?:möchte|will|wollte|wollen) (?:\w+ ){0,3}nicht (?!mehr |und )(?:\w+ ){0,3}(?:abmelden|abbestellen|austragen|kündigen)\b",
    r"(?<!vous )\bne (?:me |nous |te |se )?(?:(?:désinscri|désabonn|desinscri|desabonn|retir|supprim|enlev|enlèv|radi)\w*|(?:veux|souhaite|voulons|désire)(?: surtout)? pas (?:me |nous |être )?(?:désinscri|désabonn|retir|supprim)\w*)\b",
    r"\bno (?:me |nos |quiero |deseo |queremos |quisiera ){1,2}(?:dar(?:me|nos)? de baja|d[eé]n de baja|(?:cancel|elimin|borr|quit|retir)(?:en?|ar)(?:me|nos)?|desuscrib(?:an?|ir)(?:me|nos)?)\b",
    r"\bnon (?:mi |ci |voglio |vorrei |desidero |vogliamo ){1,2}(?:cancell\w*|disiscriv\w*|rimuov\w*|toglie\w*|elimin\w*)\b|\bnon (?:cancell|disiscriv|rimuov|toglie|elimin)\w*(?:mi|ci)\b",
    r"\bnão (?:me |nos |quero |desejo |queremos ){1,2}(?:(?:cancel|descadastr|retir|tir)(?:em?|ar)|remov(?:am?|er)|exclu(?:am?|ir)|sair)\b",
    r"\b(?:schrijf|meld|haal|verwijder) (?:mij|me|ons) (?:\w+ ){0,2}niet\b|\b(?:wil|willen) (?:me|mij|ons) (?:\w+ ){0,2}niet (?:uitschrijven|afmelden)\b|\bnie (?:wypisuj|usuwaj|skreślaj|wykreślaj)\w*",
    r"(?:^|\s)не (?:отписыва|отпиш|удаля|исключа|вычёркива|відпису|видаля)\w*|(?:^|\s)не (?:хочу|буду|собираюсь|планирую) (?:отпис|відпис)\w*",
    r"\b(?:avregistrera|ta bort|fjern|slet|slett|meld|afmeld|avmeld) (?:mig|meg|mej|oss|os) (?:(?!jag |jeg |eg |vi )\w+ ){0,2}(?:inte|ikke)\b|\b(?:neodhlaš|neodhlas|nemaž|nevyřaz|nevyraď)\w*|\bne (?:töröl|vegyen|iratkoz)\w*|\bnu (?:mă|ma) (?:dezabon|șterg|sterg|scoate)\w*|\bälkää poistako\b|\bälä poista\b",
    r"(?:不要|别|別|请勿|請勿)(?:把我|将我|給我|给我)?(?:从|從)?[^，,\s了发發]{0,8}(?:退订|退訂|取消订阅|取消訂閱|移除|删除|刪除)|配信(?:を)?停止しない|解除しない|(?:구독|수신).{0,4}(?:취소|거부)하지\s?마|לא להסיר אותי|אל תסירו",
    r"^(?:please |but |and )?(?:don't|do not|dont|never) (?:please |ever )?(?:take (?:me|us|(?:my|our) (?:\w+ ){0,2}\w+) off|stop|quit)\b",
    r"\b(?:bekomme|erhalte|kriege|kommen|kommt|bekamen|erhielten)\b.{0,24}\bkeine\b|\b(?:krijg|ontvang|kreeg|ontving)\w*\b.{0,24}\bgeen\b",
    # What is no spam.
    r"\b(?:is|was|are|were|it's|that's) (?:\w+ly )?(?:not|no)(?: (?!just |only |merely |longer )\w+){0,2} (?:spam|junk)\b|\b(?:isn't|wasn't|aren't)(?: \w+){0,2} (?:spam|junk)\b",
    r"\b(?:ist|sind|war) (?:\w+ )?kein\w* (?:spam|junk)|\bis geen (?:spam|junk)|\bnie (?:jest |to )?spam\b|\b(?:är inte|er ikke) (?:\w+ )?spam|(?:^|\s)не спам\b|不是垃圾",
    r"\bi(?: have|'ve| was| got)? (?:been )?(?:accidentally|mistakenly|already) (?:\w+ )?(?:unsubscribed|removed|opted)",
)
"""With one of these in it, a sentence says something else."""

OTHERS = (
    # Spanish has a word like "he": "no me he suscrito".
    r"\b(?:my (?:colleague|husband|wife|father|mother|son|daughter|boss|client|friend|customer|coworker|co-worker|employee|assistant|former|old|other|second|team|users?)\w*|our (?:customer|client|colleague|user|member|former|old|employee|staff)\w*|his|her|their|him|them|(?<!me )(?<!no )he|she|the (?:customer|user|client|account|product|server|device|meeting|project|thread|calendar|invite|cc|attachment|item|order|charge|payment|monitor\w*|alert\w*)|everyone|somebody|someone)\b",
    r"\b(?:from|off) (?:the |this |our |my |your )?(?:cc|thread|meeting|project|calendar|invite|invitation|conversation|order|cart|invoice|account|alert\w*|monitor\w*|website|site|app|slack|channel|team|roster|schedule|waiting list|wait ?list|guest list|price list|wish ?list|to-?do list|shopping list|task list|participant list|attendee list)\b",
    r"\b(?:list|liste|lista|lijst) (?:for|für|pour|para|per|voor) (?!(?:your|the|this|these|ihre|ihren|vos|votre|su|tu|uw) (?:e-?mail|email|mail|news|newsletter|mailing|correo|info))",
    r"\b(?:mein\w* (?:kolleg|mann|frau|chef|kund|mutter|vater|mitarbeiter|freund)\w*|unser\w* (?:kund|kolleg|mitarbeiter)\w*|mon (?:collègue|mari|client|père|patron|ami)|ma (?:collègue|femme|mère|cliente)|mi (?:colega|marido|esposa|cliente|jefe|padre|madre)|il mio (?:collega|cliente|capo|marito)|mia (?:moglie|madre|collega)|meu (?:colega|cliente|chefe|marido)|minha (?:colega|esposa|cliente)|mijn (?:collega|man|vrouw|klant|baas)|mojego|mojej|моего|моей|нашего)\b",
)
"""Somebody or something else may be meant."""

THINGS = (
    r"^(?!.*\b(?:unsubscribe|mailing list|newsletter)).*\b(?:parcels?|packages?|shipments?|invoices?|receipts?|catalog(?:ue)?s?|refunds?|vouchers?|errors?|by phone|(?<!news )letters?|(?<!in )orders?|deliver(?:y|ies)|charges?|charged|payments?|labels?|lease|raffle|goods|samples?|profile)\b",
    r"\b(?:pakete?|päckchen|rechnung\w*|ware|waren|katalog\w*|bestellung\w*|lieferung\w*|seminar|kurs|termin|schulung|briefe?|pakket\w*|factuu?r\w*|bestelling\w*)\b",
    r"\b(?:colis|factures?|commandes?|catalogues?|courrier postal|carte|téléphone|facturas?|pedidos?|paquetes?|catálogos?|fattur\w+|pacc(?:o|hi)|ordin[ei]|faturas?|encomendas?|pacotes?|peças|factura|colet\w*)\b",
    r"\b(?:paczk\w+|paczek|faktur\w*|zamówie\w+|balí[kč]\w*|objednáv\w+|посылк\w*|посылок|сч[её]т\w*|заказ\w*|товар\w*|покуп\w+|csomag\w*|számla\w*|sipariş\w*|fatura\w*|pakke\w*|paket\w*|ordre\w*|beställning\w*|lasku\w*)\b",
    r"商品|产品|產品|附件|订单|訂單|发票|發票|包裹|注文|請求書|荷物|주문|택배",
)  # fmt: skip
"""What else is sent, ordered or listed: who wants no more of it may go on reading."""
